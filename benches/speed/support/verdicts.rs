//! What was measured beside what is wanted: the table at the end.

use std::fmt;

#[derive(Default)]
pub struct Verdicts(Vec<Verdict>);

struct Verdict {
    what: String,
    is: f64,
    wanted: String,
    met: bool,
}

impl Verdicts {
    pub fn at_least(&mut self, what: impl Into<String>, is: f64, wanted: f64) {
        self.0.push(Verdict { what: what.into(), is, wanted: format!("≥ {wanted}"), met: is >= wanted });
    }

    pub fn at_most(&mut self, what: impl Into<String>, is: f64, wanted: f64) {
        self.0.push(Verdict { what: what.into(), is, wanted: format!("≤ {wanted:.2}"), met: is <= wanted });
    }
}

impl fmt::Display for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| target | is | wanted | |\n|---|---|---|---|")?;
        for Verdict { what, is, wanted, met } in &self.0 {
            writeln!(f, "| {what} | {is:.2} | {wanted} | {} |", if *met { "met" } else { "missed" })?;
        }
        Ok(())
    }
}
