// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The draft's Figure 1 and Figure 2 on one machine: five `maard`, one `aaad`, two stock Linux hosts in network
//! namespaces, and a session that goes on while its users move. What happened is read from tcpdump's captures.
//!
//! Start at [`figure1`]: [`topology`] builds the network, [`story`] plays, [`analyse`] reads the captures, [`judge`]
//! compares with the limits, [`figure`] and [`report`] tell. The programs are started as processes, never linked.

pub mod analyse;
pub mod capture;
pub mod clock;
pub mod config;
pub mod control;
pub mod diameter;
mod error;
pub mod figure;
pub mod folder;
pub mod frames;
pub mod host;
pub mod interrupt;
pub mod judge;
pub mod late;
pub mod links;
pub mod names;
pub mod netns;
pub mod probe;
pub mod process;
pub mod progress;
pub mod radio;
pub mod report;
pub mod scene;
pub mod steps;
pub mod story;
pub mod stream;
pub mod tally;
#[cfg(test)]
mod testing;
pub mod topology;

pub use error::{LabError, Result};
pub use folder::Folder;
pub use judge::Limits;
pub use scene::Scene;

use interrupt::Interrupt;
use progress::Progress;
use std::io::Write;
use std::path::Path;

/// Plays Figure 1 and leaves captures and `report.json` in `out`; prints both figures to `print`. `Ok(true)` when
/// every limit was kept. Needs root, and one at a time per machine.
pub fn figure1(out: &Path, scene: &Scene, print: &mut dyn Write) -> Result<bool> {
    let progress = Progress::start();
    let folder = Folder::prepare(out)?;
    let interrupt = Interrupt::catch()?;
    sweep_on_abort();
    match netns::sweep()? {
        0 => {}
        n => progress.say(&format!("{n} namespaces of a run that was killed are removed")),
    }
    progress.say("five routers, an AAA server and their links");
    let mut topology = topology::Topology::build(&folder, &interrupt)?;
    progress.say("every router answers on the core link");
    let played = story::play(&folder, &interrupt, &progress, scene, &mut topology)?;
    let unclean = topology.take_down()?;
    progress.say("everything is taken down; reading the captures");
    let analysis = analyse::analyse(played, scene)?;
    let mut wrong = judge::judge(&analysis, scene);
    wrong.extend(unclean);
    let report = folder.file("report.json");
    analysis.report(wrong.is_empty()).write(&report)?;
    // A reader that has gone away (a closed pipe) changes nothing of the result.
    let _ = tell(print, &analysis, &wrong, &report);
    Ok(wrong.is_empty())
}

fn tell(
    print: &mut dyn Write,
    analysis: &analyse::Analysis,
    wrong: &[String],
    report: &Path,
) -> std::io::Result<()> {
    writeln!(print, "\n{}", figure::figure1(&analysis.figure1.steps))?;
    writeln!(print, "{}", figure::figure2(analysis))?;
    writeln!(print, "{}", figure::losses(analysis))?;
    for sentence in wrong {
        writeln!(print, "FAILED: {sentence}")?;
    }
    let verdict = if wrong.is_empty() { "passed" } else { "not passed" };
    writeln!(print, "{verdict}; {}", report.display())
}

/// Where a panic ends the process at once (the release profile) no guard runs: then the hook takes everything down.
fn sweep_on_abort() {
    if cfg!(panic = "abort") {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            before(info);
            let _ = netns::sweep();
        }));
    }
}
