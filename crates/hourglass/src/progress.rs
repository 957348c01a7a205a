//! Progress on stderr: bars on a terminal, few lines elsewhere.

use std::time::{Duration, Instant};

use hourglass_train::{MetricsLine, Observer, Standing};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;

/// Seconds between lines where stderr is no terminal.
const QUIET: Duration = Duration::from_secs(10);

/// A bar with a rate in units a second and the time left. It shows itself after a moment only.
pub(crate) fn bar(total: u64, unit: &str) -> ProgressBar {
    let template = format!(
        "{{prefix}}{{msg}} [{{bar:30}}] {{human_pos}}/{{human_len}}{unit}, {{per_sec}}, {{eta}} left"
    );
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let style =
        ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.set_style(style.progress_chars("=> "));
    bar
}

/// Shows the progress of an evaluation.
pub(crate) struct Phases {
    bar: ProgressBar,
    is_terminal: bool,
    phase: String,
    last_line: Instant,
    /// When the phase began, and with how much done.
    started: (Instant, usize),
}

impl Phases {
    pub(crate) fn new() -> Self {
        Self {
            bar: bar(0, ""),
            is_terminal: std::io::stderr().is_terminal(),
            phase: String::new(),
            last_line: Instant::now(),
            started: (Instant::now(), 0),
        }
    }

    pub(crate) fn update(&mut self, phase: &str, done: usize, total: usize) {
        if self.phase != phase {
            phase.clone_into(&mut self.phase);
            self.started = (Instant::now(), done);
            self.bar.reset();
            self.bar.set_message(self.phase.clone());
            // What was done before the phase began, in another call, says nothing of how fast it is.
            self.bar.set_position(done as u64);
            self.bar.reset_eta();
        }
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
        if !self.is_terminal && self.last_line.elapsed() >= QUIET {
            self.last_line = Instant::now();
            let (since, before) = self.started;
            let seconds = since.elapsed().as_secs_f64();
            let text = match done.saturating_sub(before) {
                0 => String::new(),
                images => format!(
                    ", {:.0} s left",
                    total.saturating_sub(done) as f64 * seconds / images as f64
                ),
            };
            note!("{phase} {done}/{total}{text}");
        }
    }

    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// Shows the progress of a training run.
pub(crate) struct Training {
    bar: ProgressBar,
    is_terminal: bool,
    last_line: Instant,
    started: (Instant, u64),
}

impl Training {
    pub(crate) fn new() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            is_terminal: std::io::stderr().is_terminal(),
            last_line: Instant::now(),
            started: (Instant::now(), 0),
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn images_per_second(&self, standing: &Standing<'_>) -> f64 {
        let (since, step) = self.started;
        let images_per_step = standing.images_per_epoch as f64 / standing.steps_per_epoch as f64;
        (standing.step - step) as f64 * images_per_step / since.elapsed().as_secs_f64().max(1e-3)
    }
}

fn terms_text<'a>(terms: impl Iterator<Item = (&'a str, f64)>) -> String {
    let parts: Vec<String> = terms
        .map(|(name, value)| {
            // The error of a good classifier is of the order of 0.01.
            let decimals = if value.abs() < 0.1 { 4 } else { 2 };
            format!("{name} {value:.decimals$}")
        })
        .collect();
    parts.join(", ")
}

impl Observer for Training {
    fn started(&mut self, standing: Standing<'_>) {
        self.started = (Instant::now(), standing.step);
        if self.is_terminal {
            self.bar.finish_and_clear();
            self.bar = bar(standing.steps, "steps");
            self.bar.set_position(standing.step);
            self.bar.reset_eta();
        }
    }

    fn stepped(&mut self, standing: Standing<'_>) {
        let epoch = standing.step as f64 / standing.steps_per_epoch as f64;
        let rate = self.images_per_second(&standing);
        let text = || {
            let terms = standing
                .terms
                .iter()
                .map(|(name, value)| (name.as_str(), *value));
            let epochs = standing.steps as f64 / standing.steps_per_epoch as f64;
            let phase = if standing.is_one_of_many {
                format!("{}, ", standing.phase)
            } else {
                String::new()
            };
            format!(
                "{phase}epoch {epoch:.1}/{epochs:.1}, {rate:.0} images/s, {}",
                terms_text(terms)
            )
        };
        if self.is_terminal {
            if standing.step.is_multiple_of(10) {
                self.bar.set_message(text());
            }
            self.bar.set_position(standing.step);
        } else if self.last_line.elapsed() >= QUIET {
            self.last_line = Instant::now();
            let left = (standing.steps - standing.step) as f64
                * self.started.0.elapsed().as_secs_f64()
                / (standing.step - self.started.1).max(1) as f64;
            note!(
                "step {}/{}, {}, {left:.0} s left",
                standing.step,
                standing.steps,
                text()
            );
        }
    }

    fn measured(&mut self, line: &MetricsLine) {
        if self.is_terminal && line.split == "validation" {
            let terms = line
                .terms
                .iter()
                .filter_map(|(name, value)| Some((name.as_str(), value.as_f64()?)));
            let terms = terms_text(terms);
            self.bar.set_prefix(format!("validation {terms}; "));
        }
    }
}
