//! What is going on and for how long: spinners on a terminal, plain lines elsewhere.

use std::{
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The progress of everything that one command does. Goes to standard error.
#[derive(Clone, Default)]
pub struct Progress {
    bars: Option<MultiProgress>,
}

impl Progress {
    /// Spinners when standard error is a terminal, plain lines when not.
    pub fn new() -> Self {
        Self { bars: stderr().is_terminal().then(MultiProgress::new) }
    }

    /// Begins a step, which is told at once. It ends with [`Step::done`]; a step that is dropped without it has failed.
    pub fn step(&self, name: &str) -> Step {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new_spinner());
            // A template that does not parse leaves indicatif's own: not worth an error.
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix:<26} {elapsed:>5}  {wide_msg:.dim}") {
                bar.set_style(style);
            }
            bar.set_prefix(name.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if bar.is_none() {
            self.line(&format!("… {name}"));
        }
        Step { bars: self.bars.clone(), bar, name: name.to_owned(), started: Instant::now(), ended: false }
    }

    /// Prints a line above whatever is in progress.
    pub fn line(&self, text: &str) {
        print_line(self.bars.as_ref(), text);
    }
}

/// One thing in progress.
pub struct Step {
    bars: Option<MultiProgress>,
    bar: Option<ProgressBar>,
    name: String,
    started: Instant,
    ended: bool,
}

impl Step {
    /// Shows what the step is at. Only a terminal shows it: a log would be flooded.
    pub fn message(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }

    /// Ends the step well, with a few words on its outcome.
    pub fn done(mut self, outcome: &str) {
        self.end("✓", outcome);
    }

    fn end(&mut self, mark: &str, outcome: &str) {
        self.ended = true;
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        let text = format!("{mark} {:<26} {:>6.1} s  {outcome}", self.name, self.started.elapsed().as_secs_f64());
        print_line(self.bars.as_ref(), text.trim_end());
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.ended {
            self.end("✗", "failed");
        }
    }
}

fn print_line(bars: Option<&MultiProgress>, text: &str) {
    match bars {
        // Where the line cannot be written, nobody is there to read about it.
        Some(bars) => drop(bars.println(text)),
        None => eprintln!("{text}"),
    }
}
