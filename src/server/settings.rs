//! What each part is told of the configuration.

use std::net::SocketAddr;

use crate::api::{self, Rates};
use crate::auth;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::health;
use crate::http::{self, websocket};
use crate::inventory::route::Keys;
use crate::inventory::sync;
use crate::operations;
use crate::ssh::{self, HostKeyPolicy};
use crate::terminal;

/// R10.4: secrets.ini may name the key of machines that name none.
pub(crate) fn keys(config: &Config) -> Keys {
    let keys = Keys::of(&config.ssh.keys_directory);
    Keys { default: config.secrets.key_path().unwrap_or(keys.default), ..keys }
}

pub(super) fn auth(config: &Config) -> auth::Settings {
    auth::Settings {
        secret: config.api.jwt_secret.expose().to_vec(),
        token_life: config.api.jwt_expiration,
        max_failed: config.security.max_failed_attempts,
        lockout: config.security.lockout_duration,
        hash_cost: auth::HashCost::default(),
    }
}

pub(super) fn rates(config: &Config) -> Rates {
    Rates { calls: config.api.rate_limit, logins: config.api.login_rate_limit }
}

pub(super) fn http(config: &Config) -> Result<http::Settings> {
    Ok(http::Settings {
        address: SocketAddr::new(config.api.host, config.api.port),
        workers: config.api.worker_threads,
        max_connections: config.api.max_connections,
        max_connections_per_address: config.api.max_connections_per_address,
        max_streams: config.api.max_streams,
        max_body: config.api.max_request_size,
        request_timeout: config.api.request_timeout,
        trusted_proxies: trusted_proxies(config)?,
        cors_origins: config.api.cors_origins.clone(),
        wording: api::wording,
        ..http::Settings::default()
    })
}

pub(super) fn trusted_proxies(config: &Config) -> Result<Vec<http::Prefix>> {
    let parsed: Result<Vec<_>, String> =
        config.api.trusted_proxies.iter().map(|text| text.parse()).collect();
    parsed.map_err(|problem| Error::Config(vec![format!("[api] trusted_proxies: {problem}")]))
}

pub(crate) fn ssh(config: &Config) -> ssh::Settings {
    let accept_new = config.ssh.accept_new_host_keys;
    ssh::Settings {
        known_hosts: config.ssh.known_hosts_path.clone(),
        policy: if accept_new { HostKeyPolicy::AcceptNew } else { HostKeyPolicy::Strict },
        connect_timeout: config.ssh.connection_timeout,
        max_tries: config.ssh.max_retries,
        retry_delay: config.ssh.retry_delay,
        max_idle: config.ssh.pool_size,
        idle_time: config.ssh.pool_idle,
        keepalive: config.ssh.keepalive_interval,
    }
}

pub(crate) fn git(config: &Config) -> sync::Settings {
    sync::Settings {
        url: config.git.repository_url.clone(),
        branch: config.git.branch.clone(),
        local_path: config.git.local_path.clone(),
        interval: config.git.sync_interval,
        timeout: config.git.timeout,
        key: config.git.ssh_key_path.clone(),
        known_hosts: Some(config.ssh.known_hosts_path.clone()),
        accept_new: config.ssh.accept_new_host_keys,
        token: config.secrets.git_token(),
        webhook_secret: config.secrets.webhook_secret().map(|secret| secret.expose().to_vec()),
    }
}

pub(super) fn operations(config: &Config) -> operations::Settings {
    operations::Settings {
        default_concurrency: config.operations.default_concurrency,
        max_concurrency: config.operations.max_concurrency,
        script_timeout: config.operations.script_timeout,
        command_timeout: config.ssh.command_timeout,
        output_limit: config.operations.output_buffer_size,
        stop_grace: config.operations.stop_grace,
        max_running: config.operations.max_running,
        queue_size: config.operations.queue_size,
        retry_delay: config.ssh.retry_delay,
        enrollment_required: config.security.enrollment_required,
        keys: keys(config),
    }
}

pub(super) fn health(config: &Config) -> health::Settings {
    health::Settings {
        interval: config.health.check_interval,
        timeout: config.health.check_timeout,
        concurrency: config.health.concurrency,
        history: config.health.history,
    }
}

pub(super) fn recordings(config: &Config) -> terminal::RecordingSettings {
    terminal::RecordingSettings {
        on: config.terminal.recording,
        input: config.terminal.record_input,
        directory: config.terminal.recordings_directory.clone(),
        max_age: config.terminal.recordings_max_age,
        max_size: config.terminal.recordings_max_size,
    }
}

pub(super) fn terminal(config: &Config) -> terminal::Settings {
    terminal::Settings {
        max_workspaces: config.terminal.max_workspaces,
        max_panes: config.terminal.max_panes_per_workspace,
        idle_timeout: config.terminal.websocket_timeout,
        detach_timeout: config.terminal.detach_timeout,
        scrollback: config.terminal.scrollback,
        enrollment_required: config.security.enrollment_required,
    }
}

pub(super) fn sockets(config: &Config) -> websocket::Settings {
    websocket::Settings {
        origins: config.api.cors_origins.clone(),
        ping_interval: config.terminal.websocket_ping_interval,
    }
}
