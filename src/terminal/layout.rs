//! How the panes of a workspace lie beside each other, which says how many there can be.

use std::str::FromStr;

use super::PaneName;
use crate::error::{Error, Result};

/// The ways to lay out panes (section 7 of the contract).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One pane.
    Single,
    /// Two panes, side by side.
    Grid2x1,
    /// Three panes, one above the other.
    Grid1x3,
    /// Four panes.
    Grid2x2,
}

impl Layout {
    /// All of them, the smallest first.
    pub const ALL: [Layout; 4] =
        [Layout::Single, Layout::Grid2x1, Layout::Grid1x3, Layout::Grid2x2];

    /// The name on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Layout::Single => "single",
            Layout::Grid2x1 => "grid2x1",
            Layout::Grid1x3 => "grid1x3",
            Layout::Grid2x2 => "grid2x2",
        }
    }

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
        Layout::ALL.into_iter().find(|layout| layout.as_str() == text).ok_or_else(|| {
            let known = Layout::ALL.map(Layout::as_str).join(", ");
            Error::invalid("layout", format!("{text:?} is not one of {known}"))
        })
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
