//! Running scripts on real machines.

use serde_json::json;

use crate::support::fleet::Fleet;
use crate::support::linkops::LinkOps;

#[test]
fn first() {
    let mut fleet = Fleet::new(3);
    fleet.script("hello", "echo hello $1; echo oops >&2; exit 3");
    fleet.commit();
    let linkops = LinkOps::start(&fleet);
    println!("{}", linkops.get("/api/links").json());
    let id = linkops.run(&["hello"], &fleet.ids(), json!({}));
    for event in linkops.events(&id, 0) {
        println!("{} {} {}", event.id, event.name, event.data);
    }
    println!("{}", linkops.operation(&id));
    panic!("look");
}
