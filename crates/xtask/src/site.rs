//! The site: what is in `www`, the two compiled modules, and for a static host what makes it work offline.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::build::{self, Profile};
use crate::policy;
use crate::workspace::Workspace;

/// Who the site is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// A person at work on it: nothing may be kept by the browser.
    Developer,
    /// Visitors of a static host: it works offline after the first visit.
    Visitors,
}

/// Sources in `www` that are not copied as they are: those of the service worker, and what the glue begins with.
const SOURCES: [&str; 4] = ["offline.js", "sw.js", "sw-retired.js", build::DOORS_FILE];

/// What the folder of a build's pieces is called in front of the build's name.
const PIECES: &str = "build-";

/// What keeps its address from build to build: the page, and what the browser shows where the page is not.
const STAYS: [&str; 2] = ["index.html", "icons"];

/// Compiles everything and lays the site out in the target folder. Returns where it lies.
pub fn make(workspace: &Workspace, profile: Profile, audience: Audience) -> Result<PathBuf> {
    let site = folder(workspace, audience);
    remove(&site)?;
    fs::create_dir_all(&site).with_context(|| format!("{} cannot be made", site.display()))?;
    lay_out(workspace, profile, audience, &site)?;
    Ok(site)
}

/// Where [`make`] puts the site.
pub fn folder(workspace: &Workspace, audience: Audience) -> PathBuf {
    workspace.target.join("site").join(match audience {
        Audience::Developer => "serve",
        Audience::Visitors => "dist",
    })
}

/// Compiles everything and lays the site out in `out`, over what is there.
pub fn lay_out(workspace: &Workspace, profile: Profile, audience: Audience, out: &Path) -> Result<()> {
    build::build(workspace, profile, out)?;
    let www = workspace.root.join("www");
    for path in files(&www)? {
        if path.extension().is_some_and(|extension| extension == "css") && audience == Audience::Visitors {
            write(&out.join(&path), &squeezed(&read(&www.join(&path))?))?;
        } else if !SOURCES.iter().any(|source| path == Path::new(source)) {
            copy(&www.join(&path), &out.join(&path))?;
        }
    }
    match audience {
        Audience::Developer => {
            name_build(out)?;
            copy(&www.join("sw-retired.js"), &out.join("sw.js"))
        }
        Audience::Visitors => {
            copy(&www.join("offline.js"), &out.join("offline.js"))?;
            for path in files(out)? {
                if path.extension().is_some_and(|extension| extension == "js") {
                    write(&out.join(&path), &without_comments(&read(&out.join(&path))?))?;
                }
            }
            make_offline(&www, out)
        }
    }
}

/// Copies a finished site to where the user wants it. An older site there is replaced, anything else is left alone.
pub fn publish(site: &Path, out: &Path) -> Result<()> {
    let is_empty = fs::read_dir(out).map_or(true, |mut entries| entries.next().is_none());
    let is_a_site = ["index.html", "sw.js"].iter().all(|name| out.join(name).is_file())
        && files(out)?.iter().any(|path| path.ends_with("page_bg.wasm"));
    if !is_empty && !is_a_site {
        bail!(
            "{} holds something that is not this site; name another folder with --out, or empty it",
            out.display()
        );
    }
    remove(out)?;
    files(site)?
        .iter()
        .try_for_each(|path| copy(&site.join(path), &out.join(path)))
}

/// Every file under `folder`, relative to it, in a fixed order.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.with_context(|| format!("{} cannot be read", folder.display()))?;
        if entry.file_type().is_file() {
            files.push(entry.path().strip_prefix(folder)?.to_path_buf());
        }
    }
    Ok(files)
}

/// Gives the document its policy and the build's name, which changes with any byte of any file. Returns the name.
fn name_build(out: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    for path in files(out)? {
        hasher.update(slashed(&path).as_bytes());
        hasher.update(blake3::hash(&fs::read(out.join(&path))?).as_bytes());
    }
    let build = hasher.finalize().to_hex()[..16].to_owned();
    let index = out.join("index.html");
    let html = replaced(&read(&index)?, "<html", &format!("<html data-build=\"{build}\""))?;
    // After the encoding, before everything that it is about.
    let encoding = "<meta charset=\"utf-8\">";
    write(
        &index,
        &replaced(&html, encoding, &format!("{encoding}\n  {}", policy::meta()))?,
    )?;
    Ok(build)
}

/// Makes it a site for hosts: the pieces of this build in a folder of their own, the service worker with the list of what it keeps, the headers.
fn make_offline(www: &Path, out: &Path) -> Result<()> {
    let index = out.join("index.html");
    let offline = "<script type=\"module\" src=\"offline.js\"></script>\n</head>";
    write(&index, &replaced(&read(&index)?, "</head>", offline)?)?;
    let build = name_build(out)?;
    let pieces = format!("{PIECES}{build}");
    let mut html = read(&index)?;
    let mut kept = Vec::new();
    for path in files(out)? {
        let name = slashed(&path);
        if STAYS.iter().any(|stays| path.starts_with(stays)) {
            // Some hosts send who asks for index.html on to the folder.
            kept.push(if name == "index.html" { "./".to_owned() } else { name });
            continue;
        }
        let moved = format!("{pieces}/{name}");
        html = html.replace(&format!("=\"{name}\""), &format!("=\"{moved}\""));
        copy(&out.join(&path), &out.join(&moved))?;
        fs::remove_file(out.join(&path)).with_context(|| format!("{name} cannot be removed"))?;
        kept.push(moved);
    }
    write(&index, &html)?;
    write(&out.join("_headers"), &policy::headers_file(&pieces))?;
    let constants = format!(
        "const BUILD = {build:?};\nconst FILES = {};\n",
        serde_json::to_string(&kept)?
    );
    let worker = without_comments(&read(&www.join("sw.js"))?);
    write(&out.join("sw.js"), &(constants + &worker))
}

/// A path inside the site as addresses have it.
fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// The document with something in place of what it must have once.
fn replaced(html: &str, what: &str, with: &str) -> Result<String> {
    if html.matches(what).count() != 1 {
        bail!("www/index.html must have {what} once; something of the build goes there");
    }
    Ok(html.replacen(what, with, 1))
}

/// A script, or the glue that wasm-bindgen writes, without indentation and the lines that are comments. No text of theirs goes over lines.
fn without_comments(script: &str) -> String {
    let comment = |line: &&str| ["//", "/*", "*"].iter().any(|begins| line.starts_with(begins));
    let lines = script
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !comment(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// A style sheet without its comments and its indentation.
fn squeezed(css: &str) -> String {
    let mut plain = String::with_capacity(css.len());
    let mut rest = css;
    while let Some((before, comment)) = rest.split_once("/*") {
        plain.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    let lines = plain.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    fs::copy(from, to).with_context(|| format!("{} cannot be copied to {}", from.display(), to.display()))?;
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HTML: &str =
        "<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<link href=\"style.css\">\n</head>\n</html>\n";

    /// An empty folder, removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let folder = std::env::temp_dir().join(format!("ftqueue-site-{name}-{}", std::process::id()));
            remove(&folder).unwrap();
            fs::create_dir_all(&folder).unwrap();
            Folder(folder)
        }

        /// A subfolder with a site whose style sheet is `style`.
        fn site(&self, name: &str, style: &str) -> PathBuf {
            let site = self.0.join(name);
            fs::create_dir_all(&site).unwrap();
            for (file, text) in [
                ("index.html", HTML),
                ("page_bg.wasm", ""),
                ("sw.js", ""),
                ("style.css", style),
            ] {
                fs::write(site.join(file), text).unwrap();
            }
            site
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn an_older_site_is_replaced_whole() {
        let folder = Folder::new("replace");
        let (new, old) = (folder.site("new", "new"), folder.site("old", "old"));
        fs::write(old.join("gone.js"), "").unwrap();
        publish(&new, &old).unwrap();
        assert_eq!(fs::read_to_string(old.join("style.css")).unwrap(), "new");
        assert!(!old.join("gone.js").exists());
    }

    #[test]
    fn a_folder_with_something_else_in_it_is_left_alone() {
        let folder = Folder::new("else");
        let site = folder.site("site", "");
        let other = folder.0.join("thesis");
        fs::create_dir_all(&other).unwrap();
        fs::write(other.join("chapter-1.tex"), "years of work").unwrap();
        let error = publish(&site, &other).unwrap_err().to_string();
        assert!(error.contains("--out"), "{error}");
        assert_eq!(
            fs::read_to_string(other.join("chapter-1.tex")).unwrap(),
            "years of work"
        );
    }

    #[test]
    fn glue_loses_what_nobody_reads() {
        let script = "/**\n * Says it.\n */\nexport function a() {\n    // Why.\n    return 'b // c';\n}\n";
        assert_eq!(without_comments(script), "export function a() {\nreturn 'b // c';\n}");
    }

    #[test]
    fn a_style_sheet_loses_what_nobody_reads() {
        let css = "/* Quiet. */\n.a {\n  color: red; /* why */\n}\n\n.b { content: \"x y\"; }\n";
        assert_eq!(squeezed(css), ".a {\ncolor: red;\n}\n.b { content: \"x y\"; }");
    }

    #[test]
    fn the_version_changes_with_any_byte_and_with_nothing_else() {
        let www = Workspace::find().unwrap().root.join("www");
        let folder = Folder::new("version");
        let version = |site: &Path| {
            make_offline(&www, site).unwrap();
            let text = fs::read_to_string(site.join("sw.js")).unwrap();
            text.lines().next().unwrap().to_string()
        };
        let site = |name: &str, style: &str| {
            let site = folder.site(name, style);
            fs::remove_file(site.join("sw.js")).unwrap();
            site
        };
        let first = version(&site("first", "a"));
        assert_eq!(first, version(&site("second", "a")));
        assert_ne!(first, version(&site("third", "b")));
    }

    #[test]
    fn the_pieces_of_a_build_lie_under_its_name() {
        let folder = Folder::new("pieces");
        let site = folder.site("site", "a");
        fs::remove_file(site.join("sw.js")).unwrap();
        make_offline(&Workspace::find().unwrap().root.join("www"), &site).unwrap();
        let html = read(&site.join("index.html")).unwrap();
        let (_, rest) = html.split_once("data-build=\"").unwrap();
        let pieces = format!("{PIECES}{}", &rest[..16]);
        assert!(html.contains(&format!("<link href=\"{pieces}/style.css\">")), "{html}");
        assert!(site.join(&pieces).join("page_bg.wasm").is_file());
        assert!(!site.join("page_bg.wasm").exists());
        let worker = read(&site.join("sw.js")).unwrap();
        for file in [&format!("{pieces}/page_bg.wasm"), &format!("{pieces}/style.css"), "./"] {
            assert!(worker.contains(&format!("{file:?}")), "{file} in {worker}");
        }
    }

    #[test]
    fn one_policy_stands_in_the_headers_and_in_the_document() {
        let folder = Folder::new("policy");
        let site = folder.site("site", "a");
        fs::remove_file(site.join("sw.js")).unwrap();
        make_offline(&Workspace::find().unwrap().root.join("www"), &site).unwrap();
        let policy = policy::content_security_policy();
        let headers = read(&site.join("_headers")).unwrap();
        assert!(
            headers.contains(&format!("content-security-policy: {policy}\n")),
            "{headers}"
        );
        let html = read(&site.join("index.html")).unwrap();
        let (before, _) = html.split_once(&format!("content=\"{policy}\"")).unwrap();
        assert!(
            !before.contains("<link"),
            "it is about everything that the document asks for"
        );
    }
}
