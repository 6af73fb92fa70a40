//! Tables as CSV (RFC 4180), for spreadsheets. A cell that one would take for a formula begins with an apostrophe.

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use crate::{catalog::CatalogError, http::error::Problem};

/// Rows that are asked for at once: so many are in memory while a table is sent, however long it is.
pub const ROWS: u32 = 1000;

/// Rows of a table, with so many cells each.
pub type Rows<const N: usize> = Vec<[String; N]>;

/// Sends rows below a head, under a file name, some at a time. Those that cannot be read break the download off.
pub async fn send<const N: usize>(
    name: &str,
    head: [&str; N],
    rows: impl Stream<Item = Result<Rows<N>, CatalogError>> + Send + 'static,
) -> Result<Response, Problem> {
    let mut rows = Box::pin(rows);
    // What is refused is refused at once, with a sentence.
    let first = rows.try_next().await?.unwrap_or_default();
    let begin = stream::iter([Ok(vec![head.map(str::to_owned)]), Ok(first)]);
    let text = begin.chain(rows).map(|some| {
        let text = some.map_err(axum::Error::new).and_then(text);
        text.inspect_err(|error| tracing::error!(%error, "a table ended before its time"))
    });
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, Body::from_stream(text)).into_response())
}

fn text<const N: usize>(rows: Rows<N>) -> Result<Bytes, axum::Error> {
    let mut out = csv::Writer::from_writer(Vec::new());
    for row in rows {
        out.write_record(row.map(harmless)).map_err(axum::Error::new)?;
    }
    out.into_inner().map(Bytes::from).map_err(axum::Error::new)
}

fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for evil in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(harmless(evil.to_owned()), format!("'{evil}"));
        }
        assert_eq!(harmless("a=1".to_owned()), "a=1");
    }

    #[tokio::test]
    async fn rows_are_asked_for_when_they_are_sent_and_not_before() {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let rows = stream::iter(0..50).map(move |number| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok(vec![[number.to_string()]])
        });
        let mut body = send("t.csv", ["n"], rows).await.expect("an answer").into_body().into_data_stream();
        assert_eq!(body.next().await.expect("a head").expect("text"), "n\n");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        let rest: Vec<_> = body.map(|some| some.expect("text")).collect().await;
        assert_eq!((rest.len(), &rest[49][..]), (50, &b"49\n"[..]));
    }

    #[tokio::test]
    async fn a_table_that_cannot_be_read_is_refused_or_breaks_off() {
        let broken = || Err::<Rows<1>, _>(CatalogError::Busy);
        assert!(send("t.csv", ["n"], stream::iter([broken()])).await.is_err());
        let answer = send("t.csv", ["n"], stream::iter([Ok(vec![["1".to_owned()]]), broken()])).await.expect("an answer");
        let parts: Vec<_> = answer.into_body().into_data_stream().map(|some| some.is_ok()).collect().await;
        assert_eq!(parts, [true, true, false]);
    }
}
