//! What the page may do, in the words of the browser: the one text from which `_headers`, the document itself and every server here have it.

use std::fmt::Write as _;

/// The Content Security Policy. Everything comes from the site itself, no script stands in a document or is made from text, and a text becomes
/// an address of a script only by the policy that `www/glue.js` and nobody else has. Who frames the page is not forbidden: lessons do.
pub fn content_security_policy() -> String {
    [
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types ftqueue",
    ]
    .join("; ")
}

/// What every answer says besides what the file is.
pub fn headers() -> [(&'static str, String); 2] {
    [
        ("content-security-policy", content_security_policy()),
        ("x-content-type-options", "nosniff".to_owned()),
    ]
}

/// The same as a file that many static hosts take for their settings; for the pieces of a build, that they never change.
pub fn headers_file(pieces: &str) -> String {
    let mut text = String::from("/*\n");
    for (name, value) in headers() {
        let _ = writeln!(text, "  {name}: {value}");
    }
    let _ = writeln!(
        text,
        "/{pieces}/*\n  cache-control: public, max-age=31536000, immutable"
    );
    text
}

/// The element by which a document has the policy on a host that lets nobody set headers.
pub fn meta() -> String {
    format!(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">",
        content_security_policy()
    )
}
