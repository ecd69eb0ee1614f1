//! The list of tables: section 8 of the contract. A new table is one more entry of [`TABLES`].
//!
//! Where rows come from several tables of the database, their columns are cast to one type: only
//! then SQLite reads each in the order of its own index and merges them, instead of sorting all.

use super::{Column, Kind, Table};
use crate::auth::Act;
use crate::{inventory, operations};

/// Every table, in the order of the contract.
pub const TABLES: &[&Table] = &[
    &LINKS,
    &LINK_HEALTH,
    &INFRASTRUCTURE,
    &OPERATIONS,
    &OPERATIONS_HISTORY,
    &RECENT_ACTIVITY,
    &TERMINAL_SESSIONS,
    &TERMINAL_PANES,
    &SCRIPTS,
    &GIT_SYNC_HISTORY,
    &AUDIT,
];

const LINK_TYPES: Kind = Kind::Word(inventory::Kind::WORDS);
const LINK_STATUS: Kind = Kind::Word(inventory::Status::WORDS);
const OPERATION_STATUS: Kind = Kind::Word(operations::Status::WORDS);
/// What a sync can end with.
const OUTCOMES: Kind = Kind::Word(&["success", "failed"]);
const LAYOUTS: Kind = Kind::Word(&["single", "grid2x1", "grid1x3", "grid2x2"]);
const PANES: Kind = Kind::Word(&["A", "B", "C", "D"]);
const PANE_STATUS: Kind = Kind::Word(&["assigned", "connecting", "connected", "disconnected"]);
const ACTIVITIES: Kind = Kind::Word(&["operation", "terminal", "sync", "login"]);

const fn column(name: &'static str, kind: Kind, sql: &'static str) -> Column {
    Column { name, kind, nullable: false, sql }
}

const fn optional(name: &'static str, kind: Kind, sql: &'static str) -> Column {
    Column { name, kind, nullable: true, sql }
}

const LINK_ID: Column = column("id", Kind::Text, "m.id");
const LINK_NAME: Column = column("name", Kind::Text, "m.name");
const LINK_TYPE: Column = column("type", LINK_TYPES, "m.type");
const LINK_ENROLLED: Column = column("enrolled", Kind::Boolean, "m.enrolled");
const LINK_SSH: Column = column("ssh", Kind::Boolean, "(m.status = 'online')");
const LINK_LATENCY: Column = optional("latency", Kind::Integer, "m.latency");
const LINK_LAST_SEEN: Column = optional("lastSeen", Kind::Time, "m.last_seen");
const LINK_HEALTH_STATUS: Column = column("status", LINK_STATUS, "m.status");

const LINKS: Table = Table {
    name: "tbl_links",
    act: Act::ReadTables,
    columns: &[
        LINK_ID,
        LINK_NAME,
        LINK_TYPE,
        optional("provider", Kind::Text, "m.provider"),
        optional("icon", Kind::Text, "m.icon"),
        column("tags", LINK_TAGS, "m.tags"),
        LINK_ENROLLED,
        column("enrollmentId", Kind::Text, "m.enrollment_id"),
        column("host", Kind::Text, "m.host"),
        column("port", Kind::Integer, "m.port"),
        column("user", Kind::Text, "m.user"),
        optional("keyRef", Kind::Text, "m.key_ref"),
        optional("proxyJump", Kind::Text, "m.proxy_jump"),
        LINK_SSH,
        LINK_LATENCY,
        LINK_LAST_SEEN,
        LINK_HEALTH_STATUS,
    ],
    key: &[LINK_ID],
    default: &[("id", false)],
    from: "machines m",
    only: "1",
};
const LINK_TAGS: Kind = Kind::List("EXISTS (SELECT 1 FROM json_each(m.tags) WHERE value IN ({}))");

const LINK_HEALTH: Table = Table {
    name: "tbl_link_health",
    columns: &[
        LINK_ID,
        LINK_NAME,
        LINK_TYPE,
        LINK_ENROLLED,
        LINK_SSH,
        LINK_LATENCY,
        LINK_LAST_SEEN,
        LINK_HEALTH_STATUS,
    ],
    ..LINKS
};

/// Types that no machine has are there too: nobody has to know which there are.
const INFRASTRUCTURE: Table = Table {
    name: "tbl_infrastructure",
    act: Act::ReadTables,
    columns: &[
        INFRASTRUCTURE_TYPE,
        column("total", Kind::Integer, "i.total"),
        column("enrolled", Kind::Integer, "i.enrolled"),
        column("reachable", Kind::Integer, "i.reachable"),
    ],
    key: &[INFRASTRUCTURE_TYPE],
    default: &[("type", false)],
    from: "(SELECT k.column1 AS type, count(m.id) AS total, count(*) FILTER (WHERE m.enrolled) AS enrolled,
               count(*) FILTER (WHERE m.status = 'online') AS reachable
            FROM (VALUES ('VPS'), ('Proxmox'), ('VM')) k LEFT JOIN machines m ON m.type = k.column1
            GROUP BY k.column1) i",
    only: "1",
};
const INFRASTRUCTURE_TYPE: Column = column("type", LINK_TYPES, "i.type");

const OPERATION_ID: Column = column("id", Kind::Operation, "o.id");
const OPERATION_SCRIPTS: Column = column("scripts", HAS_SCRIPT, "o.scripts");
const OPERATION_TARGETS: Column = column("targets", HAS_TARGET, "o.targets");
const OPERATION_STATE: Column = column("status", OPERATION_STATUS, "o.status");
// SQLite computes what is only shown for the rows of the page alone.
const OPERATION_SUCCESS: Column = column(
    "success",
    Kind::Integer,
    "(SELECT count(*) FROM operation_logs WHERE operation = o.id AND status = 'success')",
);
const OPERATION_FAILED: Column = column(
    "failed",
    Kind::Integer,
    "(SELECT count(*) FROM operation_logs WHERE operation = o.id AND status = 'failed')",
);
const OPERATION_BY: Column = column("triggeredBy", Kind::Text, "o.triggered_by");

// By the executions, which have an index, and not by the list.
const HAS_SCRIPT: Kind =
    Kind::List("o.id IN (SELECT operation FROM operation_logs WHERE script IN ({}))");
const HAS_TARGET: Kind =
    Kind::List("o.id IN (SELECT operation FROM operation_logs WHERE target IN ({}))");

const OPERATIONS: Table = Table {
    name: "tbl_operations",
    act: Act::ReadTables,
    columns: &[
        OPERATION_ID,
        OPERATION_SCRIPTS,
        OPERATION_TARGETS,
        OPERATION_STATE,
        optional("started", Kind::Time, "o.started_at"),
        optional("ended", Kind::Time, "o.ended_at"),
        optional("duration", Kind::Integer, "(o.ended_at - o.started_at)"),
        OPERATION_SUCCESS,
        OPERATION_FAILED,
        OPERATION_BY,
    ],
    key: &[OPERATION_ID],
    default: &[("id", true)],
    from: "operations o",
    only: "o.status IN ('queued', 'running')", // there is an index of these
};

/// What has ended has a start; it is written so that the index of starts is used.
const OPERATIONS_HISTORY: Table = Table {
    name: "tbl_operations_history",
    columns: &[
        OPERATION_ID,
        OPERATION_SCRIPTS,
        OPERATION_TARGETS,
        OPERATION_STATE,
        column("started", Kind::Time, "coalesce(o.started_at, o.created_at)"),
        column("ended", Kind::Time, "o.ended_at"),
        column("duration", Kind::Integer, "(o.ended_at - coalesce(o.started_at, o.created_at))"),
        OPERATION_SUCCESS,
        OPERATION_FAILED,
        OPERATION_BY,
    ],
    default: &[("started", true)],
    only: "o.ended_at IS NOT NULL",
    ..OPERATIONS
};

/// Each kind has one source. An operation is there from its submission, at that time for ever, so
/// that its beginning moves no row. Logins that failed are for `tbl_audit` alone: what is typed
/// as a name may be a password.
const RECENT_ACTIVITY: Table = Table {
    name: "tbl_recent_activity",
    act: Act::ReadTables,
    columns: &[
        column("time", Kind::Time, "a.time"),
        column("kind", ACTIVITIES, "a.kind"),
        column("actor", Kind::Text, "a.actor"),
        optional("subject", Kind::Text, "a.subject"),
        column("status", OPERATION_STATUS, "a.status"),
    ],
    key: &[column("source", Kind::Integer, "a.source"), column("row", Kind::Integer, "a.row")],
    default: &[("time", true)],
    from: "(SELECT created_at AS time, CAST('operation' AS TEXT) AS kind, triggered_by AS actor,
                CAST('OP-' || id AS TEXT) AS subject, status, 1 AS source, id AS row
            FROM operations
            UNION ALL
            SELECT at, CAST('terminal' AS TEXT), actor, target,
                CAST(iif(result = 'ok', 'success', 'failed') AS TEXT), 2, id
            FROM audit_log WHERE action = 'terminal.connect'
            UNION ALL
            SELECT started_at, CAST('sync' AS TEXT), triggered_by, commit_hash,
                CAST(iif(success, 'success', 'failed') AS TEXT), 3, id
            FROM git_sync_history
            UNION ALL
            SELECT at, CAST('login' AS TEXT), actor, CAST(coalesce(target, actor) AS TEXT), CAST('success' AS TEXT), 4, id
            FROM audit_log WHERE action = 'auth.login' AND result = 'ok') a",
    only: "1",
};

/// A workspace is connected when a pane is, from the first of its panes that was to the last.
const TERMINAL_SESSIONS: Table = Table {
    name: "tbl_terminal_sessions",
    act: Act::ReadTables,
    columns: &[
        SESSION_WORKSPACE,
        column("layout", LAYOUTS, "w.layout"),
        column("maxPanes", Kind::Integer, "w.max_panes"),
        column("createdAt", Kind::Time, "w.created_at"),
        column("createdBy", Kind::Text, "w.created_by"),
        column("target", SESSION_TARGET, "w.target"),
        column("connected", Kind::Boolean, "w.connected"),
        optional("connectedAt", Kind::Time, "w.connected_at"),
        optional("disconnectedAt", Kind::Time, "w.disconnected_at"),
    ],
    key: &[SESSION_WORKSPACE],
    default: &[("createdAt", true)],
    from: "(SELECT s.*,
                json_group_array(DISTINCT p.target ORDER BY p.target) FILTER (WHERE p.pane IS NOT NULL) AS target,
                coalesce(max(p.status = 'connected'), 0) AS connected,
                min(p.connected_at) AS connected_at,
                iif(max(p.status = 'connected'), NULL, max(p.disconnected_at)) AS disconnected_at
            FROM terminal_workspaces s LEFT JOIN terminal_panes p ON p.workspace = s.id GROUP BY s.id) w",
    only: "1",
};
const SESSION_WORKSPACE: Column = column("workspaceId", Kind::Text, "w.id");
const SESSION_TARGET: Kind =
    Kind::List("EXISTS (SELECT 1 FROM json_each(w.target) WHERE value IN ({}))");

const TERMINAL_PANES: Table = Table {
    name: "tbl_terminal_panes",
    act: Act::ReadTables,
    columns: &[
        PANE_WORKSPACE,
        PANE,
        column("target", Kind::Text, "p.target"),
        column("status", PANE_STATUS, "p.status"),
        column("connected", Kind::Boolean, "(p.status = 'connected')"),
        optional("error", Kind::Text, "p.error"),
        optional("cols", Kind::Integer, "p.cols"),
        optional("rows", Kind::Integer, "p.rows"),
        optional("connectedAt", Kind::Time, "p.connected_at"),
        optional("disconnectedAt", Kind::Time, "p.disconnected_at"),
    ],
    key: &[PANE_WORKSPACE, PANE],
    default: &[("workspaceId", false)],
    from: "terminal_panes p",
    only: "1",
};
const PANE_WORKSPACE: Column = column("workspaceId", Kind::Text, "p.workspace");
const PANE: Column = column("pane", PANES, "p.pane");

const SCRIPTS: Table = Table {
    name: "tbl_scripts",
    act: Act::ReadTables,
    columns: &[
        SCRIPT_ID,
        column("name", Kind::Text, "s.name"),
        optional("emoji", Kind::Text, "s.emoji"),
        column("description", Kind::Text, "s.description"),
        column("path", Kind::Text, "s.path"),
        column("flags", SCRIPT_FLAGS, "s.flags"),
        optional("estimatedDuration", Kind::Integer, "s.estimated_duration"),
        column("tags", SCRIPT_TAGS, "s.tags"),
    ],
    key: &[SCRIPT_ID],
    default: &[("id", false)],
    from: "scripts s",
    only: "1",
};
const SCRIPT_ID: Column = column("id", Kind::Text, "s.id");
const SCRIPT_FLAGS: Kind =
    Kind::List("EXISTS (SELECT 1 FROM json_each(s.flags) WHERE value IN ({}))");
const SCRIPT_TAGS: Kind =
    Kind::List("EXISTS (SELECT 1 FROM json_each(s.tags) WHERE value IN ({}))");

const GIT_SYNC_HISTORY: Table = Table {
    name: "tbl_git_sync_history",
    act: Act::ReadTables,
    columns: &[
        SYNC_ID,
        column("started", Kind::Time, "g.started_at"),
        column("ended", Kind::Time, "g.ended_at"),
        column("duration", Kind::Integer, "(g.ended_at - g.started_at)"),
        column("status", OUTCOMES, "iif(g.success, 'success', 'failed')"),
        optional("commitHash", Kind::Text, "g.commit_hash"),
        optional("links", Kind::Integer, "g.links"),
        optional("scripts", Kind::Integer, "g.scripts"),
        optional("error", Kind::Text, "g.error"),
    ],
    key: &[SYNC_ID],
    default: &[("started", true)],
    from: "git_sync_history g",
    only: "1",
};
const SYNC_ID: Column = column("id", Kind::Integer, "g.id");

const AUDIT: Table = Table {
    name: "tbl_audit",
    act: Act::ReadAudit,
    columns: &[
        AUDIT_ID,
        column("time", Kind::Time, "l.at"),
        column("actor", Kind::Text, "l.actor"),
        optional("address", Kind::Text, "l.address"),
        optional("requestId", Kind::Text, "l.request_id"),
        column("action", Kind::Text, "l.action"),
        optional("target", Kind::Text, "l.target"),
        column("result", Kind::Text, "l.result"),
        optional("detail", Kind::Json, "l.detail"),
    ],
    key: &[AUDIT_ID],
    default: &[("time", true)],
    from: "audit_log l",
    only: "1",
};
const AUDIT_ID: Column = column("id", Kind::Integer, "l.id");
