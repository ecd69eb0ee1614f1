//! The features: what each of them is made of, and what of them the API sees.

use std::sync::{Arc, Mutex};

use super::settings;
use crate::api::{Api, Document, Limits, Metrics, Places, Sources};
use crate::audit::Refusals;
use crate::auth::Auth;
use crate::clock::Clock;
use crate::config::Config;
use crate::enrollment::Enrollment;
use crate::error::Result;
use crate::health::Health;
use crate::health::vitals::Vitals;
use crate::inventory::catalogue::Catalogue;
use crate::inventory::sync::Sync;
use crate::operations::Operations;
use crate::ssh::{Dial, Pool};
use crate::store::Store;
use crate::terminal::{Recordings, Terminals};
use crate::threads::Latch;

/// What the features stand on.
pub(super) struct Ground {
    pub(super) clock: Clock,
    pub(super) store: Arc<Store>,
    /// Set when the server stops.
    pub(super) stop: Arc<Latch>,
    pub(super) pool: Arc<Pool>,
}

/// The features, each with its threads running; only the syncs begin when all the others are there.
pub(super) struct Features {
    pub(super) auth: Arc<Auth>,
    pub(super) sync: Arc<Sync>,
    catalogue: Arc<Catalogue>,
    pub(super) operations: Arc<Operations>,
    enrollment: Enrollment,
    pub(super) health: Arc<Health>,
    pub(super) terminals: Arc<Terminals>,
    pub(super) recordings: Arc<Recordings>,
}

impl Features {
    pub(super) fn start(config: &Config, ground: &Ground) -> Result<Features> {
        let store = || Arc::clone(&ground.store);
        let clock = || ground.clock.clone();
        let stop = || Arc::clone(&ground.stop);
        let dial: Arc<dyn Dial> = Arc::<Pool>::clone(&ground.pool);
        let auth = Arc::new(Auth::new(store(), clock(), &settings::auth(config)));
        let sync = Arc::new(Sync::new(settings::git(config), store(), clock(), stop()));
        let catalogue = Arc::new(Catalogue::new(store(), &config.git.local_path));
        let operations = Arc::new(Operations::start(
            store(),
            Arc::clone(&catalogue),
            Arc::clone(&dial),
            clock(),
            settings::operations(config),
        )?);
        let (keys, time) = (settings::keys(config), config.ssh.command_timeout);
        let enrollment = Enrollment::new(store(), dial, clock(), keys, time, stop());
        let checked = enrollment.clone();
        let health = Health::start(checked, store(), clock(), settings::health(config))?;
        let health = Arc::new(health);
        let told = Arc::clone(&health);
        sync.when_synced(move || told.synced());
        let recordings = Recordings::start(settings::recordings(config), store(), clock())?;
        let recordings = Arc::new(recordings);
        let terminals = Terminals::new(
            store(),
            clock(),
            enrollment.clone(),
            Arc::clone(&recordings),
            settings::terminal(config),
        );
        terminals.recover()?;
        let terminals = Arc::new(terminals);
        Ok(Features {
            auth,
            sync,
            catalogue,
            operations,
            enrollment,
            health,
            terminals,
            recordings,
        })
    }

    /// What answers requests.
    pub(super) fn api(self, config: &Config, ground: &Ground) -> Result<Api> {
        let store = || Arc::clone(&ground.store);
        let vitals = Vitals {
            store: store(),
            sync: Arc::clone(&self.sync),
            keys: config.ssh.keys_directory.clone(),
            database: config.database.clone(),
            latency_warning: config.health.latency_warning,
            latency_critical: config.health.latency_critical,
            written: Mutex::default(),
        };
        let sources = Sources {
            store: store(),
            operations: Arc::clone(&self.operations),
            pool: Arc::clone(&ground.pool),
            health: self.health,
            vitals: Arc::new(vitals),
        };
        Ok(Api {
            auth: self.auth,
            store: store(),
            catalogue: self.catalogue,
            enrollment: self.enrollment,
            operations: self.operations,
            sync: self.sync,
            terminals: self.terminals,
            recordings: self.recordings,
            sockets: settings::sockets(config),
            limits: Limits::new(settings::rates(config)),
            places: Places::new(config.api.worker_threads),
            refusals: Refusals::default(),
            metrics: Metrics::new(ground.clock.now()),
            sources,
            metrics_auth: config.api.metrics_auth,
            document: Document::new()?,
        })
    }
}
