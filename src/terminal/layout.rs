//! How the panes of a workspace lie beside each other, which says how many there can be.

use std::str::FromStr;

use super::PaneName;
use crate::error::{Error, Result};
use crate::words::words;

words!(
    /// The ways to lay out panes (section 7 of the contract).
    Layout {
        /// One pane.
        Single = "single",
        /// Two panes, side by side.
        Grid2x1 = "grid2x1",
        /// Three panes, one above the other.
        Grid1x3 = "grid1x3",
        /// Four panes.
        Grid2x2 = "grid2x2",
    }
);

impl Layout {
    /// How many panes it shows.
    #[must_use]
    pub fn panes(self) -> usize {
        match self {
            Layout::Single => 1,
            Layout::Grid2x1 => 2,
            Layout::Grid1x3 => 3,
            Layout::Grid2x2 => 4,
        }
    }
}

impl FromStr for Layout {
    type Err = Error;

    fn from_str(text: &str) -> Result<Layout> {
        Layout::named("layout", text)
    }
}

/// The panes that a workspace of this many panes has.
pub(super) fn panes(count: usize) -> &'static [PaneName] {
    &PaneName::ALL[..count.min(PaneName::ALL.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layout_has_its_name_and_its_panes() {
        for (name, count, last) in [
            ("single", 1, PaneName::A),
            ("grid2x1", 2, PaneName::B),
            ("grid1x3", 3, PaneName::C),
            ("grid2x2", 4, PaneName::D),
        ] {
            let layout: Layout = name.parse().unwrap();
            assert_eq!((layout.as_str(), layout.panes()), (name, count));
            assert_eq!(panes(layout.panes()).last(), Some(&last));
        }
        for wrong in ["", "Single", "grid2x3", "grid"] {
            let error = wrong.parse::<Layout>().unwrap_err().to_string();
            assert!(error.contains("single, grid2x1, grid1x3, grid2x2"), "{error}");
        }
    }
}
