//! A run that is killed and resumed ends as one that never stopped.

#![cfg(unix)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use hourglass_files::is_temporary_of;
use hourglass_train::{Checkpoint, Phase};
use support::{Ran, Workplace, read};

/// Steps between checkpoints.
const INTERVAL: u64 = 5;
const STEPS: u64 = 100;
const KILLS: usize = 10;
/// Kills that have to hit the writing of a checkpoint or a figure.
const KILLS_IN_WRITING: usize = 3;
/// Kills that may miss before the test gives up.
const MOST_KILLS: usize = 60;
const PATIENCE: Duration = Duration::from_secs(60);

/// Wide, so that writing a checkpoint takes a time that can be hit.
const RECIPE: &str = r#"
family = "denoising"

[network]
kind = "mlp"
hidden = [256]
code = 8

[objective]
corruption = "masking"

[data]
limit = 500
validation = 0.1

[training]
steps = 100
batch_size = 40
checkpoint_steps = 5
"#;

/// The run ends by early stopping or at its end but past its best; the best weights are in the checkpoint too.
const STOPPING: &str = r#"
schedule = "cosine"
early_stopping = { term = "squared_error", patience = 2 }
"#;

/// Files that are written under another name first.
const WRITTEN: &[&str] = &[
    "checkpoint/checkpoint.bin",
    "figures/reconstructions.png",
    "figures/curves.svg",
];

struct Run<'a> {
    workplace: &'a Workplace,
    path: PathBuf,
}

impl<'a> Run<'a> {
    fn new(workplace: &'a Workplace, name: &str) -> Self {
        Self {
            workplace,
            path: workplace.path(name),
        }
    }

    /// Starts the run, or goes on with it.
    fn start(&self) -> Child {
        let out = self.path.to_str().expect("a path in UTF-8");
        let mut arguments = vec!["train", "--backend", "flex", "--out", out];
        // A run that was killed before its recipe was written has nothing to be resumed.
        if self.path.join("config.toml").exists() {
            arguments.push("--resume");
        } else {
            arguments.push("recipe.toml");
        }
        let mut command = self.workplace.command(&arguments);
        command.stdout(Stdio::null());
        command.spawn().expect("the program starts")
    }

    fn finish(&self) {
        Ran::from_output(self.start().wait_with_output().expect("an end")).succeeds();
    }

    /// The step of the last checkpoint; 0 before the first.
    fn checkpoint(&self) -> u64 {
        let path = self.path.join("checkpoint/checkpoint.bin");
        let checkpoint = Checkpoint::read(&path).expect("a whole checkpoint or none");
        checkpoint.map_or(0, |checkpoint| checkpoint.state.step)
    }

    /// What has not yet the name of a file that is written under another one first.
    fn unfinished(&self) -> Vec<PathBuf> {
        let of_file = |file: &&str| {
            let path = self.path.join(file);
            let entries = std::fs::read_dir(path.parent().expect("a directory"));
            let entries = entries.into_iter().flatten().flatten();
            let unfinished = entries.filter(|entry| is_temporary_of(&entry.file_name(), &path));
            unfinished.map(|entry| entry.path()).collect::<Vec<_>>()
        };
        WRITTEN.iter().flat_map(of_file).collect()
    }

    fn is_writing(&self) -> bool {
        !self.unfinished().is_empty()
    }

    #[track_caller]
    fn equals(&self, other: &Self) {
        for file in ["model.safetensors", "metrics.jsonl", "config.toml"] {
            assert!(
                read(self.path.join(file)) == read(other.path.join(file)),
                "{file} differs"
            );
        }
        for file in ["figures/reconstructions.png", "figures/curves.svg"] {
            assert!(
                read(self.path.join(file)) == read(other.path.join(file)),
                "{file} differs"
            );
        }
        let left = self.unfinished();
        assert!(left.is_empty(), "{left:?} was left behind");
    }
}

/// Waits until `holds`, or the program has ended; whether it holds.
fn wait_until(child: &mut Child, mut holds: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if holds() {
            return true;
        }
        if child.try_wait().expect("a state").is_some() {
            return false;
        }
    }
    panic!("nothing happened for {PATIENCE:?}");
}

/// When a run is killed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Moment {
    /// As soon as a file is being written, once a checkpoint of this step is there.
    Writing(u64),
    /// So long after a checkpoint of this step.
    After(u64, Duration),
}

/// Kills a run that was killed before at a moment, and says whether it was in the writing of a file.
fn kill_at(run: &Run<'_>, moment: Moment) -> bool {
    // A kill may have left a half-written file from before.
    for file in run.unfinished() {
        let _ = std::fs::remove_file(file);
    }
    let mut child = run.start();
    let path = run.path.join("checkpoint/checkpoint.bin");
    let (step, pause) = match moment {
        Moment::Writing(step) => (step, None),
        Moment::After(step, pause) => (step, Some(pause)),
    };
    // Reading checkpoints all the time would slow the run down: the modification time says when there is a new one.
    let mut seen = None;
    let reached = wait_until(&mut child, || {
        if step == 0 {
            return true;
        }
        let modified = path.metadata().and_then(|file| file.modified()).ok();
        if modified == seen {
            thread::sleep(Duration::from_micros(200));
            return false;
        }
        seen = modified;
        run.checkpoint() >= step
    });
    if reached {
        match pause {
            Some(pause) => thread::sleep(pause),
            None => {
                wait_until(&mut child, || run.is_writing());
            }
        }
    }
    child.kill().expect("killed");
    let ran = child.wait_with_output().expect("an end");
    assert!(
        !String::from_utf8_lossy(&ran.stderr).contains("panicked"),
        "{ran:?}"
    );
    run.is_writing()
}

fn killed_and_resumed(recipe: &str, least_kills: usize, least_in_writing: usize) {
    let workplace = Workplace::new();
    workplace.write("recipe.toml", recipe);
    let whole = Run::new(&workplace, "whole");
    whole.finish();

    let run = Run::new(&workplace, "killed");
    let (mut kills, mut in_writing) = (0, 0);
    while kills < least_kills || in_writing < least_in_writing {
        assert!(
            kills < MOST_KILLS,
            "only {in_writing} of {kills} kills hit the writing of a file"
        );
        assert!(
            !run.path.join("summary.json").exists(),
            "the run ended after {kills} kills, {in_writing} of them in the writing of a file"
        );
        let before = run.checkpoint();
        // Spread over the run; later kills than planned stay before its end.
        let spread = (kills as u64 * (STEPS / least_kills as u64)).min(STEPS - 2 * INTERVAL);
        let moment = match kills % 3 {
            1 | 2 => Moment::Writing(spread),
            _ => Moment::After(spread, Duration::from_millis(7 * kills as u64)),
        };
        in_writing += usize::from(kill_at(&run, moment));
        kills += 1;
        let after = run.checkpoint();
        assert!(
            after >= before,
            "the checkpoint of step {before} became one of {after}"
        );
        assert_loses_at_most_one_interval(&run, after);
    }
    run.finish();
    println!("{kills} kills, {in_writing} of them in the writing of a file");
    run.equals(&whole);
    let lines: Vec<(u64, String)> = hourglass_store::read_metrics(&run.path.join("metrics.jsonl"))
        .expect("metrics")
        .into_iter()
        .map(|line| (line.step, line.split))
        .collect();
    let mut unique = lines.clone();
    unique.dedup();
    assert_eq!(lines, unique);
}

/// Every evaluation that reached metrics.jsonl is at most an interval beyond the checkpoint.
#[track_caller]
fn assert_loses_at_most_one_interval(run: &Run<'_>, checkpoint: u64) {
    let Ok(text) = std::fs::read_to_string(run.path.join("metrics.jsonl")) else {
        return;
    };
    // The last line may be cut off.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let steps = whole.lines().map(|line| {
        let line: hourglass_store::MetricsLine = serde_json::from_str(line).expect("a line");
        line.step
    });
    let last = steps.max().unwrap_or(0);
    assert!(
        last <= checkpoint + INTERVAL,
        "metrics of step {last}, but the checkpoint is of step {checkpoint}"
    );
}

#[test]
fn killed_ten_times_with_plain_settings() {
    killed_and_resumed(RECIPE, KILLS, KILLS_IN_WRITING);
}

#[test]
fn killed_ten_times_with_early_stopping_and_a_schedule() {
    killed_and_resumed(&format!("{RECIPE}{STOPPING}"), KILLS, KILLS_IN_WRITING);
}

/// Other optimisers have other state, and other families draw other noise and have other schedules.
#[test]
fn killed_with_other_optimizers_and_families() {
    let family = |name: &str, objective: &str, training: &str| {
        let (head, tail) = RECIPE.split_once("[objective]").expect("an objective");
        let (_, tail) = tail.split_once("[data]").expect("data");
        let head = head.replace("denoising", name);
        format!("{head}[objective]\n{objective}\n[data]{tail}{training}\n")
    };
    for recipe in [
        family(
            "variational",
            "warmup = 0.5",
            "optimizer = 'adamw'\nweight_decay = 0.1\nclip = 10.0",
        ),
        family(
            "sparse",
            "penalty = 'top-k'\nk = 3\nstart = 8",
            "optimizer = 'sgd'\nmomentum = 0.9\nlearning_rate = 1e-3\nschedule = 'cosine'",
        ),
        family(
            "contractive",
            "jacobian = 'estimate'",
            "weight_decay = 0.01",
        ),
    ] {
        killed_and_resumed(&recipe, 3, 1);
    }
}

/// Layers as machines and as autoencoders, then the whole model, then a classifier: killed once in each.
#[test]
fn killed_in_every_phase() {
    for method in [
        "method = 'rbm'",
        "method = 'denoising'\ncorruption = 'masking'",
    ] {
        let network = "code = 8\nactivation = 'sigmoid'";
        let phases = format!(
            "[pretraining.layers]\n{method}\n[pretraining.training]\nsteps = 30\n\
             [classifier]\nsteps = 30\nearly_stopping = {{ term = 'error', patience = 9 }}\n[training]"
        );
        let recipe = RECIPE
            .replace("code = 8", network)
            .replace("[training]", &phases)
            .replace("steps = 100", "steps = 30");
        let workplace = Workplace::new();
        workplace.write("recipe.toml", recipe);
        let whole = Run::new(&workplace, "whole");
        whole.finish();

        let run = Run::new(&workplace, "killed");
        let order = [
            Phase::Layer(0),
            Phase::Layer(1),
            Phase::Whole,
            Phase::Classifier,
        ];
        for phase in order {
            let mut child = run.start();
            let reached = wait_until(&mut child, || {
                thread::sleep(Duration::from_micros(200));
                let path = run.path.join("checkpoint/checkpoint.bin");
                let checkpoint = Checkpoint::read(&path).expect("a whole checkpoint or none");
                checkpoint.is_some_and(|checkpoint| checkpoint.state.phase == phase)
            });
            assert!(reached, "{method}: the run ended before its {phase}");
            child.kill().expect("killed");
            child.wait().expect("an end");
        }
        run.finish();
        run.equals(&whole);
        let classifier = |run: &Run<'_>| read(run.path.join("classifier.safetensors"));
        assert!(classifier(&run) == classifier(&whole));

        let summary = read(run.path.join("summary.json"));
        let summary: serde_json::Value = serde_json::from_slice(&summary).expect("JSON");
        let steps: Vec<_> = summary["phases"]
            .as_array()
            .expect("phases")
            .iter()
            .map(|phase| (phase["phase"].clone(), phase["steps"].clone()))
            .collect();
        let expected = order.map(|phase| (serde_json::json!(phase), serde_json::json!(30)));
        assert_eq!(steps, expected);
    }
}

/// Waits for a checkpoint, then asks the program to stop.
#[test]
fn an_interrupt_loses_nothing() {
    let workplace = Workplace::new();
    let recipe = RECIPE.replace("checkpoint_steps = 5", "checkpoint_steps = 1000");
    workplace.write("recipe.toml", recipe);
    let whole = Run::new(&workplace, "whole");
    whole.finish();

    let run = Run::new(&workplace, "interrupted");
    let mut child = run.start();
    let metrics = run.path.join("metrics.jsonl");
    let has_line = |path: &Path| path.metadata().is_ok_and(|metadata| metadata.len() > 0);
    assert!(wait_until(&mut child, || has_line(&metrics)), "no metrics");
    let pid = libc::pid_t::try_from(child.id()).expect("a process number");
    interrupt(pid);
    let ran = Ran::from_output(child.wait_with_output().expect("an end"));
    let out = run.path.to_str().expect("a path in UTF-8");
    let command = format!("hourglass train --resume --out {out}");
    ran.fails(1, &["interrupted; nothing is lost", &command]);
    let step = run.checkpoint();
    assert!((1..STEPS).contains(&step), "a checkpoint of step {step}");
    let last = hourglass_store::read_metrics(&metrics).expect("metrics");
    assert!(last.last().expect("a line").step <= step);
    assert!(!run.path.join("model.safetensors").exists());
    run.finish();
    run.equals(&whole);
}

#[expect(unsafe_code, reason = "the standard library sends no SIGINT")]
fn interrupt(pid: libc::pid_t) {
    // SAFETY: a call without memory; the process is a child that was not waited for, so the number is still its own.
    let result = unsafe { libc::kill(pid, libc::SIGINT) };
    assert_eq!(result, 0);
}

/// A run that has ended is measured again and gets the same files; nothing is trained anew.
#[test]
fn a_finished_run_can_be_resumed() {
    let workplace = Workplace::new();
    workplace.write("recipe.toml", format!("{RECIPE}{STOPPING}"));
    let run = Run::new(&workplace, "run");
    run.finish();
    let other = Run::new(&workplace, "other");
    other.finish();
    let step = run.checkpoint();
    run.finish();
    assert_eq!(run.checkpoint(), step);
    run.equals(&other);
}

/// Without its checkpoint a finished run is not trained anew over its model.
#[test]
fn a_finished_run_without_its_checkpoint_is_left_alone() {
    let workplace = Workplace::new();
    workplace.write("recipe.toml", RECIPE);
    let run = Run::new(&workplace, "run");
    run.finish();
    let weights = std::fs::read(run.path.join("model.safetensors")).expect("weights");
    std::fs::remove_dir_all(run.path.join("checkpoint")).expect("removed");
    let out = run.path.to_str().expect("a path in UTF-8");
    let ran = workplace.run(&["train", "--resume", "--out", out]);
    ran.fails(1, &[&format!("hourglass evaluate {out}")]);
    let found = std::fs::read(run.path.join("model.safetensors")).expect("weights");
    assert!(found == weights);
}
