-- Which time the server goes by. One row, from the first start on.
CREATE TABLE clock (
    one              BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    newest_at        BIGINT,          -- newest time of the wall clock that was trusted
    reached_at       BIGINT NOT NULL, -- time that the server went by when this row was written
    provisional_from BIGINT,          -- times recorded since this one are corrected when the wall clock is trusted again; none while it is
    confirmed_at     BIGINT           -- time of the wall clock that an operator confirmed on the command line; none once that is taken up
);
