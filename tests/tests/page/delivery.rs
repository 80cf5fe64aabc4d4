//! How the page comes to a person: from a host that has another build by now, that does not answer, or that is not the host.

use std::time::Instant;

use tests::{Page, Site, drive_site, eventually};

/// Waits until the service worker has kept the site and answers for this page.
fn is_kept(page: &Page) {
    page.eval("await navigator.serviceWorker.ready");
    eventually(20.0, "the service worker answers for the page", || {
        (page.eval("return navigator.serviceWorker.controller?.state") == "activated").then_some(())
    });
}

fn build_of(page: &Page) -> String {
    let build = page.eval("return document.documentElement.dataset.build");
    build.as_str().expect("a built page has a name").to_owned()
}

/// The builds that are kept.
fn kept(page: &Page) -> Vec<String> {
    let names = page.eval("return (await caches.keys()).map((name) => name.split(' ').at(-1))");
    serde_json::from_value(names).expect("names")
}

fn starts_anew(page: &Page, node: u8) {
    page.crash(node);
    page.restart(node);
}

/// A page stays open while the host gets another build. It goes on, and starts nodes from what was kept of its own build for as long as it is
/// open, also when the next build's service worker has taken over.
#[test]
fn an_open_page_goes_on_with_its_own_build_after_a_deploy() {
    let site = Site::copied("deploy");
    drive_site(&site, "?nodes=3", |page| {
        page.leader_within(10.0);
        let qid = page.value_of("create_queue 7");
        is_kept(page);
        let old = build_of(page);
        let new = site.deploy();
        starts_anew(page, 1);
        page.in_another_tab(&format!("{}?nodes=3", page.address()), || {
            page.wait();
            assert_eq!(build_of(page), new);
            page.leader_within(10.0);
            eventually(
                20.0,
                "the new build is kept, and its service worker has taken over",
                || {
                    // The page itself asked for it, by its build's name: nobody waits for the browser to look.
                    let is_done = page.eval(
                        "const { installing, waiting, active } = await navigator.serviceWorker.getRegistration();
                     return !installing && !waiting && active.state === 'activated';",
                    );
                    (is_done == true && kept(page).contains(&new)).then_some(())
                },
            );
            assert!(kept(page).contains(&old), "the first tab may need it");
        });
        starts_anew(page, 2);
        assert_eq!(build_of(page), old);
        eventually(
            10.0,
            "who comes back to the page reads that there is another build",
            || page.text(".notices").contains("another build").then_some(()),
        );
        page.click_text(".notice button", "Reload");
        comes_with(page, &new);
        page.leader_within(10.0);
        assert_eq!(page.value_of("get_qid 7"), qid);
        page.reload();
        eventually(10.0, "nobody needs the old build any more", || {
            (kept(page) == [new.as_str()]).then_some(())
        });
    });
}

/// Without a service worker the old build's pieces are gone with the deploy. The page says what to do, and what runs goes on.
#[test]
fn without_a_service_worker_a_deploy_is_told_and_the_cluster_goes_on() {
    let site = Site::without("deploy-bare", "offline.js");
    drive_site(&site, "?nodes=3", |page| {
        page.leader_within(10.0);
        let qid = page.value_of("create_queue 7");
        let new = site.deploy();
        let follower = page.follower();
        page.crash(follower);
        let failed = page.try_eval(&format!("await ftqueue.restart({follower})"));
        assert!(failed.is_err(), "its code is gone: {failed:?}");
        eventually(10.0, "another build is told", || {
            page.text(".notices").contains("another build").then_some(())
        });
        page.value_of(&format!("push {qid} 42"));
        page.click_text(".notice button", "Reload");
        comes_with(page, &new);
        page.leader_within(10.0);
        assert_eq!(page.pop_all(qid), [42]);
        assert_eq!(page.status().up().count(), 3);
    });
}

/// Whoever answers in the host's place, or does not answer: the page that is kept opens, and soon.
#[test]
fn what_is_not_the_site_is_not_taken_for_it() {
    type Trouble = fn(&Site) -> Option<std::net::TcpListener>;
    let troubles: [(&str, Trouble); 3] = [
        ("portal", |site| {
            site.gives_only("<!doctype html><title>Welcome</title><p>Accept our terms to go on.</p>");
            None
        }),
        ("error", |site| {
            site.gives_only("");
            None
        }),
        ("hanging", |site| Some(site.hang())),
    ];
    for (name, trouble) in troubles {
        let site = Site::copied(&format!("trouble-{name}"));
        drive_site(&site, "?nodes=3", |page| {
            page.leader_within(10.0);
            let qid = page.value_of("create_queue 7");
            is_kept(page);
            let hangs = trouble(&site);
            let since = Instant::now();
            page.reload();
            page.leader_within(10.0);
            let took = since.elapsed().as_secs_f64();
            println!("{name}: a leader {took:.1} s after the reload");
            assert!(took < 10.0, "{name}: a leader after {took:.1} s");
            assert_eq!(page.value_of("get_qid 7"), qid, "{name}");
            starts_anew(page, 1);
            drop(hangs);
        });
    }
}

/// Waits for the page of this build.
fn comes_with(page: &Page, build: &str) {
    eventually(20.0, "the new build", || {
        let shown = page.try_eval("return document.documentElement.dataset.build").ok()?;
        (shown == build).then_some(())
    });
    page.wait();
}
