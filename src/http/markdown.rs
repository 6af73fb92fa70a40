//! Markdown (CommonMark) as HTML that may stand on a page of ours.

use std::collections::HashSet;

use pulldown_cmark::{Options, Parser, html};

/// What is left of what was written once everything that could do or load something is gone: images, scripts, styles, forms.
pub fn to_html(text: &str) -> String {
    let mut raw = String::new();
    html::push_html(&mut raw, Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH));
    ammonia::Builder::default()
        // An image would be fetched from somewhere as soon as somebody looks.
        .rm_tags(["img", "map", "area"])
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .link_rel(Some("noopener noreferrer nofollow"))
        .clean(&raw)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_shaped_and_can_do_nothing() {
        assert_eq!(
            to_html("# A\n*b* [c](https://example.org)"),
            "<h1>A</h1>\n<p><em>b</em> <a href=\"https://example.org\" rel=\"noopener noreferrer nofollow\">c</a></p>\n"
        );
        for evil in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "![a](https://elsewhere.example/a.png)",
            "[a](javascript:alert(1))",
            "<a href=\"data:text/html,x\" onclick=\"alert(1)\">a</a>",
            "<iframe src=\"https://elsewhere.example\"></iframe>",
            "<style>*{display:none}</style><form action=/><input></form>",
            "<svg onload=alert(1)>",
        ] {
            let html = to_html(evil);
            for word in ["script", "<img", "onerror", "onclick", "onload", "data:", "iframe", "<style", "<form", "<input", "elsewhere"] {
                assert!(!html.contains(word), "{evil} became {html}");
            }
        }
    }
}
