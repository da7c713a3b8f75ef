//! `--hardware this-machine` for the commands that price without measuring.

use super::context::Context;
use crate::catalog::Catalog;
use crate::error::Result;
use crate::pipeline::calibration::calibrate;
use crate::pipeline::market::THIS_MACHINE;

/// Measures this machine when one of the ids asks for it and no file of that id was loaded.
///
/// # Errors
/// When the threads cannot be started or the factorisation fails.
pub fn add_when_asked(catalog: &mut Catalog, ids: &[String], io: &Context) -> Result<()> {
    if ids.iter().any(|id| id == THIS_MACHINE) && catalog.machine(THIS_MACHINE).is_err() {
        let machine = calibrate(&io.threads()?)?;
        if let Some(rate) = &machine.flops_per_second {
            io.note(format!(
                "note: this machine was measured now: {:.3e} flops/s; `breakeven models calibrate` saves it for repeatable prices",
                rate.value
            ));
        }
        catalog.add_machine(machine);
    }
    Ok(())
}
