//! docs/criteria.md: every criterion and every property of the contract has tests, which exist, and
//! which cite it; the test of a property draws at least 100 cases.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

/// How many criteria each R has, in order.
const CRITERIA: [u32; 13] = [5, 7, 5, 6, 8, 5, 7, 6, 5, 5, 5, 5, 5];
const PROPERTIES: u32 = 37;
/// The least number of cases that a property is tried with.
const CASES: u32 = 100;
/// What proptest draws when it is told nothing.
const DEFAULT_CASES: u32 = 256;

/// A row of the page: a number, and the tests that show it.
struct Row {
    number: String,
    tests: Vec<String>,
}

fn rows(page: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let number = cells[0].to_owned();
        if NUMBER.is_match(&number) {
            let tests = cells[2].split('`').skip(1).step_by(2).map(str::to_owned).collect();
            rows.push(Row { number, tests });
        }
    }
    rows
}

static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(R[0-9]+\.[0-9]+|P[0-9]+)$"));

/// A pattern in which `\b` looks at ASCII, all that our crate has tables for.
fn pattern(text: &str) -> Regex {
    Regex::new(&text.replace(r"\b", r"(?-u:\b)")).unwrap()
}

/// Every number of the contract, in its order.
fn numbers() -> Vec<String> {
    let criteria = (1..).zip(CRITERIA);
    let criteria =
        criteria.flat_map(|(r, count)| (1..=count).map(move |one| format!("R{r}.{one}")));
    criteria.chain((1..=PROPERTIES).map(|p| format!("P{p}"))).collect()
}

/// A function of a file, with the lines of its comment and its attributes.
struct Function {
    text: String,
    /// It stands within `proptest!`, whose head this is.
    within: Option<String>,
    /// Something else of the file calls it.
    called: bool,
}

impl Function {
    fn find(file: &str, name: &str) -> Option<Function> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = fs::read_to_string(path).ok()?;
        let lines: Vec<&str> = text.lines().collect();
        let head = pattern(&format!(r"^( *)(pub[a-z()]* )?fn {name}\b"));
        let at = lines.iter().position(|line| head.is_match(line))?;
        let indent = head.captures(lines[at])?.get(1)?.as_str();
        let above = lines[..at].iter().rposition(|line| {
            let line = line.trim_start();
            !line.starts_with("///") && !line.starts_with("#[")
        });
        let end = lines[at..].iter().position(|line| *line == format!("{indent}}}"))?;
        let outer = lines[..at]
            .iter()
            .rposition(|line| !line.is_empty() && !line.starts_with(indent) && !indent.is_empty());
        let within = outer.filter(|line| lines[*line].trim() == "proptest! {");
        let within = within.map(|line| lines[line..line + 2].join("\n"));
        let calls = pattern(&format!(r"\b{name}\("));
        let called = lines.iter().any(|line| calls.is_match(line) && !head.is_match(line));
        let text = lines[above.map_or(0, |line| line + 1)..=at + end].join("\n");
        Some(Function { text, within, called })
    }

    fn is_run(&self) -> bool {
        self.text.contains("#[test]") || self.called
    }

    fn cites(&self) -> BTreeSet<String> {
        citations(&self.text)
    }

    /// The cases that it draws; none when it draws none.
    fn cases(&self) -> Option<u32> {
        static COUNT: LazyLock<Regex> =
            LazyLock::new(|| pattern(r"(?:cases(?:\(|: )| check\()([0-9_]+)"));
        let ways = ["proptest!(", "TestRunner", "run(cases(", " check("];
        let draws = ways.iter().any(|way| self.text.contains(way));
        let text = match &self.within {
            Some(head) => head,
            None if draws => &self.text,
            None => return None,
        };
        let count = COUNT.captures(text).map(|found| found[1].replace('_', ""));
        Some(count.map_or(DEFAULT_CASES, |count| count.parse().unwrap()))
    }
}

/// The numbers that a text names: `P3`, `R2.4 to R2.6`, and `p3_` at the beginning of a name.
fn citations(text: &str) -> BTreeSet<String> {
    static CITED: LazyLock<Regex> = LazyLock::new(|| {
        let one = r"([RP])([0-9]+)(?:\.([0-9]+))?";
        pattern(&format!(r"\b{one}(?: to {one})?\b"))
    });
    static NAMED: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bfn ((?:p[0-9]+_)+)"));
    let mut found = BTreeSet::new();
    for one in CITED.captures_iter(text) {
        let number = |at: usize| one.get(at).and_then(|text| text.as_str().parse::<u32>().ok());
        match (&one[1], number(2), number(3)) {
            ("P", Some(first), None) => {
                (first..=number(5).unwrap_or(first))
                    .for_each(|p| _ = found.insert(format!("P{p}")));
            }
            ("R", Some(r), Some(first)) => {
                let last = number(6).unwrap_or(first);
                (first..=last).for_each(|one| _ = found.insert(format!("R{r}.{one}")));
            }
            _ => {}
        }
    }
    for one in NAMED.captures_iter(text) {
        found.extend(one[1].trim_end_matches('_').split('_').map(str::to_uppercase));
    }
    found
}

/// What is wrong with a row.
fn faults(row: &Row) -> Vec<String> {
    let number = &row.number;
    let mut faults = Vec::new();
    let mut cases = None;
    for test in &row.tests {
        let Some((file, name)) = test.split_once("::") else {
            faults.push(format!("{number}: {test} is not file::name"));
            continue;
        };
        match Function::find(file, name) {
            None => faults.push(format!("{number}: there is no {test}")),
            Some(found) if !found.is_run() => faults.push(format!("{number}: nothing runs {test}")),
            Some(found) if !found.cites().contains(number) => {
                faults.push(format!("{number}: {test} does not cite it"));
            }
            Some(found) => cases = cases.max(found.cases()),
        }
    }
    if row.tests.is_empty() {
        faults.push(format!("{number}: no test"));
    }
    if number.starts_with('P') && cases.is_none_or(|cases| cases < CASES) {
        faults.push(format!("{number}: none of its tests draws {CASES} cases"));
    }
    faults
}

#[test]
fn every_criterion_and_every_property_has_its_test() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/criteria.md");
    let rows = rows(&fs::read_to_string(page).unwrap());
    let listed: Vec<&String> = rows.iter().map(|row| &row.number).collect();
    assert_eq!(listed, numbers().iter().collect::<Vec<_>>());
    let faults: Vec<String> = rows.iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// So that it is known that the check above sees what it should.
#[test]
fn a_row_that_is_not_true_is_found() {
    let here = "tests/criteria.rs";
    for (number, test) in [
        ("R1.1", "nowhere.rs::name".to_owned()),
        ("R1.1", "no name".to_owned()),
        ("R1.1", format!("{here}::no_such_test")),
        ("R1.1", format!("{here}::a_row_that_is_not_true_is_found_not")),
        ("P1", "tests/api/auth.rs::login_works".to_owned()),
        ("R2.1", "tests/api/auth.rs::login_works".to_owned()),
    ] {
        let row = Row { number: number.to_owned(), tests: vec![test.clone()] };
        assert!(!faults(&row).is_empty(), "{number} {test}");
    }
    assert!(!faults(&Row { number: "R1.1".to_owned(), tests: Vec::new() }).is_empty());
    let all = |text: &str| citations(text).into_iter().collect::<Vec<_>>();
    assert_eq!(all("P3, R2.4 to R2.6"), ["P3", "R2.4", "R2.5", "R2.6"]);
    assert_eq!(all("P21 to P23; R10 alone"), ["P21", "P22", "P23"]);
    assert_eq!(all("fn p11_p12_any()"), ["P11", "P12"]);
    let counts = HashMap::from([
        ("tests/auth.rs::p2_any_wrong_credentials_count_and_give_an_error", Some(100)),
        ("tests/operations/output.rs::p16_any_output_is_captured_unchanged", Some(10)),
        ("tests/auth.rs::a_success_resets_the_count", None),
    ]);
    for (test, cases) in counts {
        let (file, name) = test.split_once("::").unwrap();
        assert_eq!(Function::find(file, name).unwrap().cases(), cases, "{test}");
    }
}
