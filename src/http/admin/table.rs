//! Tables as CSV (RFC 4180), for spreadsheets. A cell that one would take for a formula begins with an apostrophe.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};

use crate::http::error::Problem;

/// Sends rows below a head, under a file name.
pub fn send<const N: usize>(name: &str, head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Result<Response, Problem> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(head).map_err(|error| Problem::internal(&error))?;
    for row in rows {
        out.write_record(row.map(harmless)).map_err(|error| Problem::internal(&error))?;
    }
    let text = out.into_inner().map_err(|error| Problem::internal(&error))?;
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, disposition)];
    Ok((headers, text).into_response())
}

fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for evil in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(harmless(evil.to_owned()), format!("'{evil}"));
        }
        assert_eq!(harmless("a=1".to_owned()), "a=1");
    }
}
