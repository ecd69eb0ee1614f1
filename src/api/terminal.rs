//! Workspaces of terminals: make, look, assign, connect, close. What goes over their sockets is in
//! `socket`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::json::{self, Object};
use super::route::Call;
use crate::error::{Error, Result};
use crate::http::Response;
use crate::terminal::{Assignment, PaneState, PaneStatus, PaneView, Terminals, View};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    layout: String,
    max_panes: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Assign {
    panes: Vec<Object<Wish>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    pane: String,
    target: String,
}

/// A workspace.
#[derive(Serialize)]
struct Shape<'a> {
    workspace_id: &'a str,
    layout: &'static str,
    max_panes: usize,
    created_at: i64,
    created_by: &'a str,
    sockets: usize,
    panes: BTreeMap<&'static str, PaneShape<'a>>,
}

/// A pane with a target.
#[derive(Serialize)]
struct PaneShape<'a> {
    target: &'a str,
    status: &'static str,
    connected: bool,
    error: Option<&'a str>,
    cols: u16,
    rows: u16,
    #[serde(rename = "connectedAt")]
    connected_at: Option<i64>,
    #[serde(rename = "disconnectedAt")]
    disconnected_at: Option<i64>,
}

/// What came of connecting a pane.
#[derive(Serialize)]
struct Connected {
    connected: bool,
    error: Option<String>,
}

/// `POST /api/terminal/workspaces`
pub(super) fn create(terminals: &Terminals, call: &Call<'_>) -> Result<Response> {
    let Create { layout, max_panes } = json::decode(call.request)?;
    let id = terminals.create(layout.parse()?, max_panes, &call.actor)?;
    let place = format!("/api/terminal/workspaces/{id}");
    Ok(json::reply(201, &json!({ "workspace_id": id }))?.header("Location", place))
}

/// `GET /api/terminal/workspaces`
pub(super) fn list(terminals: &Terminals) -> Result<Response> {
    json::reply(200, &terminals.list()?.iter().map(shape).collect::<Vec<_>>())
}

/// `GET /api/terminal/workspaces/{id}`
pub(super) fn one(terminals: &Terminals, id: &str) -> Result<Response> {
    json::reply(200, &shape(&terminals.view(id)?))
}

/// `PUT /api/terminal/workspaces/{id}/panes`
pub(super) fn assign(terminals: &Terminals, call: &Call<'_>) -> Result<Response> {
    let Assign { panes } = json::decode(call.request)?;
    let wishes = panes.into_iter().enumerate().map(wish).collect::<Result<Vec<_>>>()?;
    terminals.assign(call.path("id")?, &wishes, call.caller()?, &call.actor)?;
    json::reply(200, &json!({ "success": true }))
}

/// `POST /api/terminal/workspaces/{id}/connect-all`
pub(super) fn connect_all(terminals: &Terminals, call: &Call<'_>) -> Result<Response> {
    json::decode_nothing(call.request)?;
    let states = terminals.connect_assigned(call.path("id")?, call.caller()?, &call.actor)?;
    let success = states.values().all(|state| state.status == PaneStatus::Connected);
    let panes: BTreeMap<_, _> =
        states.iter().map(|(pane, state)| (pane.as_str(), connected(state))).collect();
    json::reply(200, &json!({ "success": success, "panes": panes }))
}

/// `DELETE /api/terminal/workspaces/{id}`
pub(super) fn delete(terminals: &Terminals, call: &Call<'_>) -> Result<Response> {
    json::decode_nothing(call.request)?;
    terminals.delete(call.path("id")?, call.caller()?, &call.actor)?;
    Ok(Response::new(204))
}

fn wish((number, Object(one)): (usize, Object<Wish>)) -> Result<Assignment> {
    let unknown = |_| {
        let text = format!("{:?} is not A, B, C or D", one.pane);
        Error::invalid(format!("panes[{number}].pane"), text)
    };
    Ok((one.pane.parse().map_err(unknown)?, one.target))
}

fn connected(state: &PaneState) -> Connected {
    let error = match state.status {
        PaneStatus::Connected => None,
        PaneStatus::Connecting => Some("it has not answered yet".to_owned()),
        PaneStatus::Assigned | PaneStatus::Disconnected => {
            Some(state.error.clone().unwrap_or_else(|| "it was disconnected".to_owned()))
        }
    };
    Connected { connected: error.is_none(), error }
}

fn shape(view: &View) -> Shape<'_> {
    let workspace = &view.workspace;
    let panes = view.panes.iter().map(|(name, pane)| (name.as_str(), pane_shape(pane)));
    Shape {
        workspace_id: &workspace.id,
        layout: workspace.layout.as_str(),
        max_panes: workspace.max_panes,
        created_at: workspace.created_at,
        created_by: &workspace.created_by,
        sockets: view.sockets,
        panes: panes.collect(),
    }
}

fn pane_shape(pane: &PaneView) -> PaneShape<'_> {
    let state = &pane.state;
    PaneShape {
        target: &pane.target,
        status: state.status.as_str(),
        connected: state.status == PaneStatus::Connected,
        error: state.error.as_deref(),
        cols: state.cols,
        rows: state.rows,
        connected_at: pane.connected_at,
        disconnected_at: pane.disconnected_at,
    }
}
