//! The site: what is in `www`, the two compiled modules, and for a static host what makes it work offline.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::build::{self, Profile};
use crate::workspace::Workspace;

/// Who the site is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// A person at work on it: nothing may be kept by the browser.
    Developer,
    /// Visitors of a static host: it works offline after the first visit.
    Visitors,
}

/// Sources of the service worker in `www`. None of them is copied as it is.
const OFFLINE_SOURCES: [&str; 3] = ["offline.js", "sw.js", "sw-retired.js"];

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
        } else if !OFFLINE_SOURCES.iter().any(|source| path == Path::new(source)) {
            copy(&www.join(&path), &out.join(&path))?;
        }
    }
    match audience {
        Audience::Developer => copy(&www.join("sw-retired.js"), &out.join("sw.js")),
        Audience::Visitors => {
            for package in build::PACKAGES {
                let glue = out.join(package).with_extension("js");
                write(&glue, &without_comments(&read(&glue)?))?;
            }
            make_offline(&www, out)
        }
    }
}

/// Copies a finished site to where the user wants it. An older site there is replaced, anything else is left alone.
pub fn publish(site: &Path, out: &Path) -> Result<()> {
    let is_empty = fs::read_dir(out).map_or(true, |mut entries| entries.next().is_none());
    let is_a_site = ["index.html", "page_bg.wasm", "sw.js"]
        .iter()
        .all(|name| out.join(name).is_file());
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

/// Adds the service worker: the list of the files it keeps, and a version that changes with any byte of them.
fn make_offline(www: &Path, out: &Path) -> Result<()> {
    copy(&www.join("offline.js"), &out.join("offline.js"))?;
    let index = out.join("index.html");
    let html = read(&index)?;
    let Some(end_of_head) = html.find("</head>") else {
        bail!("www/index.html has no </head>; the script that makes the site work offline goes in front of it");
    };
    let (head, body) = html.split_at(end_of_head);
    write(
        &index,
        &format!("{head}<script type=\"module\" src=\"offline.js\"></script>\n{body}"),
    )?;

    let mut hasher = blake3::Hasher::new();
    let mut names = Vec::new();
    for path in files(out)? {
        let name = path.to_string_lossy().replace('\\', "/");
        hasher.update(name.as_bytes());
        hasher.update(blake3::hash(&fs::read(out.join(&path))?).as_bytes());
        names.push(name);
    }
    let version = &hasher.finalize().to_hex()[..16];
    let constants = format!(
        "const VERSION = {version:?};\nconst FILES = {};\n\n",
        serde_json::to_string(&names)?
    );
    write(&out.join("sw.js"), &(constants + &read(&www.join("sw.js"))?))
}

/// The glue that wasm-bindgen writes, without its indentation and the lines that are comments. It has no text that goes over lines.
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
                ("index.html", "<head></head>"),
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
}
