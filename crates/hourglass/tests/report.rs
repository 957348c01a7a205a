//! `report`: one page that needs nothing else, whatever a run has or lacks.

mod support;

use std::fs;

use support::{Workplace, idx_images, idx_labels, read};

/// The page that `report` writes of some models.
#[track_caller]
fn page(workplace: &Workplace, arguments: &[&str]) -> String {
    let all = [&["report", "--backend", "ndarray", "--force"], arguments].concat();
    let ran = workplace.run(&all).succeeds();
    assert_eq!(ran.stdout, "report.html\n");
    let page = String::from_utf8(read(workplace.path("report.html"))).expect("text");
    assert_is_self_contained(&page);
    assert_is_balanced(&page);
    page
}

/// Nothing in the page is somewhere else, and nothing in it runs.
#[track_caller]
fn assert_is_self_contained(page: &str) {
    let namespaces = page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count();
    let addresses = page.matches("http://").count() + page.matches("https://").count();
    assert_eq!(addresses, namespaces, "an address that is no namespace");
    for active in ["<script", "<link", "<iframe", "@import", "url("] {
        assert!(!page.contains(active), "{active}");
    }
    let sources = page.matches(" src=\"").count();
    assert_eq!(
        sources,
        page.matches(" src=\"data:image/png;base64,").count()
    );
    assert_eq!(page.matches("<img").count(), sources);
    assert!(page.matches(" alt=\"").count() >= sources);
}

/// Every element that is opened is closed, in order.
#[track_caller]
fn assert_is_balanced(page: &str) {
    let mut open = Vec::new();
    for part in page.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("the end of a tag");
        let name = tag
            .split([' ', '\n', '/'])
            .find(|name| !name.is_empty())
            .unwrap_or_default();
        match tag {
            _ if tag.starts_with('/') => assert_eq!(open.pop(), Some(name), "{tag}"),
            _ if tag.starts_with('!') || tag.ends_with('/') => {}
            _ if ["img", "meta", "wbr"].contains(&name) => {}
            _ => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[track_caller]
fn assert_headings(page: &str, headings: &[&str]) {
    for heading in headings {
        assert!(page.contains(&format!("<h3>{heading}</h3>")), "{heading}");
    }
}

/// The whole numbers in the cells of the first table of a class.
fn cells(page: &str, class: &str) -> Vec<usize> {
    let (_, table) = page
        .split_once(&format!("<table class=\"{class}\""))
        .expect("a table");
    let (table, _) = table.split_once("</table>").expect("its end");
    let cells = table.split("<td").skip(1).filter_map(|cell| {
        let (_, text) = cell.split_once('>')?;
        text.split('<').next()?.parse().ok()
    });
    cells.collect()
}

#[test]
fn a_run_has_a_page_with_every_section() {
    let workplace = Workplace::new();
    let name = "a<script>alert(1)<&\"'";
    workplace.train(name, &[]).succeeds();
    let page = page(&workplace, &[name]);
    assert_headings(
        &page,
        &[
            "Numbers",
            "Reconstructions",
            "Worst reconstructions",
            "Error by class",
            "Map of the codes",
            "Classes read from the codes",
            "Traversals",
            "What units add to the picture",
            "What the first layer responds to",
            "Training",
            "Settings",
        ],
    );
    assert!(
        page.contains("a&lt;script&gt;alert(1)&lt;&amp;&quot;'"),
        "the name, escaped"
    );
    assert!(!page.contains("Left out"), "nothing is missing");
    // The embedded test images: each is in one cell of the matrix, and in one class.
    assert_eq!(cells(&page, "matrix").iter().sum::<usize>(), 1000);
    assert_eq!(cells(&page, "bars").iter().sum::<usize>(), 1000);
    // 32 images, the 24 worst, 16 filters, and at most 4 atoms and 4 traversals.
    let images = page.matches("<img").count();
    assert!(
        (32 + 24 + 16 + 4..=32 + 24 + 16 + 8).contains(&images),
        "{images}"
    );
    assert!(page.len() < 500_000, "{}", page.len());

    // What is there is not written over unless that is asked for.
    let again = ["report", name, "--backend", "ndarray"];
    workplace.run(&again).fails(1, &["report.html", "--force"]);
    let nowhere = ["report", name, "--out", "none/report.html"];
    workplace.run(&nowhere).fails(1, &["none", "directory"]);
    workplace
        .run(&["report", "none", "--out", "new.html"])
        .fails(1, &["none", "no directory"]);
}

#[test]
fn what_a_run_lacks_is_said() {
    let workplace = Workplace::new();
    workplace.write("images/train-images-idx3-ubyte", idx_images(300, 12));
    workplace.write("images/train-labels-idx1-ubyte", idx_labels(300));
    workplace.write("images/t10k-images-idx3-ubyte", idx_images(60, 12));
    let overrides = ["--data", "images", "--set", "training.steps=20"];
    workplace.train("run", &overrides).succeeds();

    // Images without labels.
    let whole = page(&workplace, &["run"]);
    assert!(whole.contains("Left out, since the images have no labels."));

    // Without its data: the numbers of its own summary, and what needs no images.
    fs::remove_dir_all(workplace.path("images")).expect("removed");
    let without = page(&workplace, &["run"]);
    assert!(without.contains("Left out, since no dataset named `images`"));
    assert!(without.contains("summary.json, test") && without.contains("squared_error"));
    assert!(without.contains("alt=\"Unit "), "filters need no images");

    // As a killed training leaves it: settings and curves, no model.
    for file in ["config.json", "model.safetensors", "summary.json"] {
        fs::remove_file(workplace.path("run").join(file)).expect("removed");
    }
    let killed = page(&workplace, &["run"]);
    assert!(killed.contains("the training has not ended; go on with it by"));
    assert!(killed.contains("batch_size") && killed.contains("Curves of loss by step"));
    assert_eq!(killed.matches("<img").count(), 0);

    // And before the first evaluation.
    fs::remove_file(workplace.path("run/metrics.jsonl")).expect("removed");
    let begun = page(&workplace, &["run"]);
    assert!(begun.contains("there is no metrics.jsonl"));
}

/// Text of files, which anyone may have written, stays text.
#[test]
fn markup_in_files_is_text() {
    let workplace = Workplace::new();
    let recipe = "family = \"</code><script>x\"\n[data]\nname = '\"><img onerror=x>'\n";
    workplace.write("run/config.toml", recipe);
    let line = r#"{"step": 1, "epoch": 0.1, "split": "</li><b>", "<svg onload=x>": 1.0}"#;
    workplace.write("run/metrics.jsonl", format!("{line}\n"));
    let page = page(&workplace, &["run"]);
    assert!(page.contains("&lt;/code&gt;&lt;script&gt;x"));
    assert!(page.contains("&lt;svg onload=x&gt;") && !page.contains("<svg onload"));
    assert!(page.contains("&lt;/li&gt;&lt;b&gt;"));
}

#[cfg(feature = "zoo")]
#[test]
fn several_models_are_compared_and_families_have_sections_of_their_own() {
    let workplace = Workplace::new();
    // Without the images of its training the published model shows what needs none.
    let alone = page(&workplace, &["variational"]);
    assert!(alone.contains("metrics.json, test") && alone.contains("Left out, since"));
    assert_headings(&alone, &["Samples", "Traversals"]);

    let both = page(
        &workplace,
        &["variational", "sparse", "--data", "mnist-mini"],
    );
    let own = [
        "What each dimension carries",
        "Samples",
        "How often units are active",
    ];
    assert_headings(&both, &own);
    for heading in own {
        assert_eq!(
            both.matches(&format!("<h3>{heading}</h3>")).count(),
            1,
            "{heading}"
        );
    }
    assert!(both.contains("All were measured on the same images"));
    // Long names may break at their dots.
    let both = both.replace("<wbr>", "");
    assert!(both.contains("Comparison</h2>") && both.contains("objective.penalty"));
}
