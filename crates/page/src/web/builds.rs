//! Builds: by now the host may have another one than this page is of. What runs goes on; what was still to be fetched may be gone.

use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{RequestCache, RequestInit, Response};

use super::app::app;
use super::wall;

/// What stands before a build's name in the document.
const MARK: &str = " data-build=\"";

/// Looks whether the host has another build than this page's, and says so if it has. Nobody waits for it.
pub(super) fn look() {
    wall::spawn(async {
        let root = wall::document().document_element();
        // `trunk serve` names no build, and reloads by itself.
        let Some(own) = root.and_then(|root| root.get_attribute("data-build")) else {
            return;
        };
        if on_the_host().await.is_some_and(|build| build != own) {
            app().notify(
                "There is another build of this page by now. What runs goes on; what starts from now on may find its code gone. \
                 Reload the page to have the new one."
                    .to_owned(),
            );
        }
    });
}

/// The build of the page that the host has, if it answers with a page of ours.
async fn on_the_host() -> Option<String> {
    let options = RequestInit::new();
    options.set_cache(RequestCache::NoStore);
    let asked = wall::window().fetch_with_str_and_init("./", &options);
    let answer: Response = JsFuture::from(asked).await.ok()?.unchecked_into();
    let text = JsFuture::from(answer.text().ok()?).await.ok()?.as_string()?;
    let (build, _) = text.split_once(MARK)?.1.split_once('"')?;
    Some(build.to_owned())
}

/// Loads the page again, with what the host has by now.
pub(super) fn reload() {
    let _ = wall::window().location().reload();
}
