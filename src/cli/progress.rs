//! Progress on stderr: bars on a terminal, plain lines after a second elsewhere, nothing under `--quiet`.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::pipeline::progress::Progress;

/// Nothing is shown before a run has lasted this long.
const PATIENCE: Duration = Duration::from_secs(1);

/// Pause between two plain lines.
const PAUSE: Duration = Duration::from_secs(5);

/// Units of the bar, fine enough to move.
const UNITS: u64 = 1000;

/// The progress of one command.
#[derive(Debug)]
pub struct Reporter {
    start: Instant,
    show: Show,
}

#[derive(Debug)]
enum Show {
    Nothing,
    Lines(Mutex<Option<Instant>>),
    Bar(ProgressBar),
}

impl Reporter {
    /// A reporter that fits what stderr is.
    pub fn new(quiet: bool) -> Self {
        let show = if quiet {
            Show::Nothing
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(UNITS);
            let style = ProgressStyle::with_template("[{bar:30}] {percent:>3} %  {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
            Show::Bar(bar)
        } else {
            Show::Lines(Mutex::new(None))
        };
        Reporter { start: Instant::now(), show }
    }

    /// Removes the bar, so that the result stands alone.
    pub fn finish(&self) {
        if let Show::Bar(bar) = &self.show {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.finish();
    }
}

/// `12 s left`, once there is enough to tell from.
fn time_left(elapsed: Duration, fraction: f64) -> String {
    if fraction < 0.02 || elapsed < PATIENCE {
        return String::new();
    }
    let seconds = elapsed.as_secs_f64() * (1.0 - fraction) / fraction;
    if seconds < 90.0 {
        format!(", {seconds:.0} s left")
    } else if seconds < 5400.0 {
        format!(", {:.0} min left", seconds / 60.0)
    } else {
        format!(", {:.1} h left", seconds / 3600.0)
    }
}

impl Progress for Reporter {
    fn update(&self, fraction: f64, what: &str) {
        let fraction = fraction.clamp(0.0, 1.0);
        let elapsed = self.start.elapsed();
        match &self.show {
            Show::Nothing => {}
            Show::Bar(bar) => {
                bar.set_position((fraction * UNITS as f64) as u64);
                bar.set_message(format!("{what}{}", time_left(elapsed, fraction)));
            }
            Show::Lines(last) => {
                let Ok(mut last) = last.lock() else { return };
                if elapsed >= PATIENCE && last.is_none_or(|t| t.elapsed() >= PAUSE) {
                    eprintln!("[{:>3.0} %] {what}{}", fraction * 100.0, time_left(elapsed, fraction));
                    *last = Some(Instant::now());
                }
            }
        }
    }

    fn remark(&self, text: &str) {
        match &self.show {
            Show::Nothing => {}
            Show::Lines(_) => eprintln!("{text}"),
            Show::Bar(bar) => bar.suspend(|| eprintln!("{text}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_the_rule_of_three() {
        assert_eq!(time_left(Duration::from_secs(10), 0.25), ", 30 s left");
        assert_eq!(time_left(Duration::from_secs(60), 0.1), ", 9 min left");
        assert_eq!(time_left(Duration::from_secs(3600), 0.1), ", 9.0 h left");
        assert_eq!(time_left(Duration::from_millis(500), 0.5), "");
        assert_eq!(time_left(Duration::from_secs(5), 0.001), "");
    }
}
