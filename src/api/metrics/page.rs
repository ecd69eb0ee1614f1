//! The text format of Prometheus: families with their help, samples with their labels.

use std::fmt::Write;

/// What a family is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// The page so far.
#[derive(Default)]
pub(super) struct Page {
    text: String,
    family: &'static str,
}

impl Page {
    /// Begins a family; its samples follow.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.family = name;
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A sample of the family.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.line("", labels, value);
    }

    /// A family of one sample without labels.
    pub(super) fn gauge(&mut self, name: &'static str, help: &str, value: f64) {
        self.family(name, Kind::Gauge, help);
        self.sample(&[], value);
    }

    /// A histogram: `counts` has one more than `ends`, for what is beyond the last end.
    pub(super) fn histogram(
        &mut self,
        name: &'static str,
        help: &str,
        ends: impl Iterator<Item = f64>,
        counts: impl Iterator<Item = u64>,
        sum: f64,
    ) {
        self.family(name, Kind::Histogram, help);
        let ends = ends.map(|end| end.to_string()).chain(["+Inf".to_owned()]);
        let mut total = 0;
        for (end, count) in ends.zip(counts) {
            total += count;
            self.line("_bucket", &[("le", &end)], total as f64);
        }
        self.line("_sum", &[], sum);
        self.line("_count", &[], total as f64);
    }

    fn line(&mut self, end: &str, labels: &[(&str, &str)], value: f64) {
        let _ = write!(self.text, "{}{end}", self.family);
        let inside: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        if !inside.is_empty() {
            let _ = write!(self.text, "{{{}}}", inside.join(","));
        }
        let _ = writeln!(self.text, " {value}");
    }

    pub(super) fn text(self) -> String {
        self.text
    }
}

/// A label's value: backslash, quote and line end are escaped.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_that_of_prometheus() {
        let mut page = Page::default();
        page.family("a_total", Kind::Counter, "Things.");
        page.sample(&[("x", "q\"\\\n"), ("y", "")], 2.0);
        page.gauge("b", "One.", 0.5);
        page.histogram("c_seconds", "Long.", [0.1, 1.0].into_iter(), [1, 2, 3].into_iter(), 7.25);
        let text = "# HELP a_total Things.\n# TYPE a_total counter\n\
                    a_total{x=\"q\\\"\\\\\\n\",y=\"\"} 2\n\
                    # HELP b One.\n# TYPE b gauge\nb 0.5\n\
                    # HELP c_seconds Long.\n# TYPE c_seconds histogram\n\
                    c_seconds_bucket{le=\"0.1\"} 1\nc_seconds_bucket{le=\"1\"} 3\n\
                    c_seconds_bucket{le=\"+Inf\"} 6\nc_seconds_sum 7.25\nc_seconds_count 6\n";
        assert_eq!(page.text(), text);
    }
}
