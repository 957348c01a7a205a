//! The page: its head, its table of contents, and a part for each model.

use hourglass_measure::Measured;
use hourglass_store::Description;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::numbers::grouped;
use crate::sections::{self, Section};
use crate::{ModelReport, Page, ReportError, comparison};

/// The page's style. It contains no `<`, so that nothing in it can end its element.
const STYLE: &str = include_str!("style.css");

/// The page, as the text of an HTML file.
///
/// # Errors
/// When a chart or an image can't be made.
pub fn html(page: &Page) -> Result<String, ReportError> {
    let models = page.models.iter().enumerate();
    let models: Vec<(String, &ModelReport, Vec<Section>)> = models
        .map(|(index, model)| Ok((format!("model-{}", index + 1), model, sections::of(model)?)))
        .collect::<Result<_, ReportError>>()?;
    let comparison = match page.models.len() {
        0 | 1 => None,
        _ => Some(comparison::of(&page.models)?),
    };
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title(page)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#content" { "To the content" }
                header.page { h1 { "Hourglass report" } }
                main #content {
                    @if let Some(comparison) = &comparison {
                        (contents(&models))
                        section.comparison #comparison {
                            h2 { "Comparison" }
                            (comparison)
                        }
                    }
                    @for (id, model, sections) in &models { (article(id, model, sections)) }
                }
                footer { "Made by " (page.program) "." }
            }
        }
    }
    .into_string())
}

fn title(page: &Page) -> String {
    match &page.models[..] {
        [model] => format!("{} – Hourglass report", model.name),
        models => format!("{} models – Hourglass report", models.len()),
    }
}

/// The models of the page.
fn contents(models: &[(String, &ModelReport, Vec<Section>)]) -> Markup {
    html! {
        nav.contents aria-label="Models" {
            ul {
                li { a href="#comparison" { "Comparison" } }
                @for (id, model, _) in models { li { a href={ "#" (id) } { (model.name) } } }
            }
        }
    }
}

fn article(id: &str, model: &ModelReport, sections: &[Section]) -> Markup {
    html! {
        article #(id) {
            header.model {
                h2 { (model.name) }
                (summary(model))
                @if let Measured::Value(measurement) = &model.measurement {
                    (sections::headlines(measurement))
                }
            }
            nav.sections aria-label={ "Sections of " (model.name) } {
                ul {
                    @for section in sections {
                        li { a href={ "#" (id) "-" (section.id) } { (section.title) } }
                    }
                }
            }
            @for section in sections {
                section.half[section.is_half] id={ (id) "-" (section.id) } {
                    h3 { (section.title) }
                    (section.body)
                }
            }
        }
    }
}

/// What the model is, in a sentence.
fn summary(model: &ModelReport) -> Markup {
    let Some(description) = &model.description else {
        return html! { p.summary.missing { "The training has not ended." } };
    };
    let Description {
        model: config,
        input,
        data,
        ..
    } = description;
    html! {
        p.summary { (config.summary()) }
        p.kind {
            "Family " strong { (config.family()) } " · " (config.network().adjective()) " · " (input.describe())
            " · code of " (config.code())
            @if let Some(parameters) = model.parameters { " · " (grouped(parameters)) " parameters" }
            " · trained on " (data.name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing<T>(reason: &str) -> Measured<T> {
        Measured::from(Err(reason))
    }

    fn unknown(name: &str) -> ModelReport {
        ModelReport {
            name: name.into(),
            description: None,
            parameters: None,
            settings: Measured::Value(vec![("training.steps".into(), "</style><b>".into())]),
            facts: Vec::new(),
            metrics: nothing("of <this>"),
            measurement: nothing("of <that>"),
            stored: None,
            portrait: nothing("of <those>"),
        }
    }

    #[test]
    fn whatever_comes_from_outside_is_text() {
        let page = Page {
            program: "<i>".into(),
            models: vec![unknown("<script>"), unknown("&amp;\"")],
        };
        let text = html(&page).expect("a page");
        for markup in [
            "<script",
            "<this>",
            "<that>",
            "<those>",
            "</style><b>",
            "<i>",
        ] {
            assert!(!text.contains(markup), "{markup}");
        }
        assert!(text.contains("Left out, since of &lt;that&gt;."));
        assert!(text.contains("&amp;amp;&quot;"));
        assert!(text.contains("<h2>Comparison</h2>"));
    }

    /// The style stands in the page as it is: nothing in it may end its element, or lie elsewhere.
    #[test]
    fn the_style_stays_in_its_element() {
        for forbidden in ["<", "url(", "@import"] {
            assert!(!STYLE.contains(forbidden), "{forbidden}");
        }
    }
}
