//! The real executable, asked as clients and people ask it. One binary, so that it is linked once.

mod alerts;
mod api;
mod bill;
mod captures;
mod collisions;
mod commands;
mod crash;
mod deliveries;
mod envelopes;
mod explain;
mod filters;
mod gone;
mod ingest;
mod keep;
mod langfuse;
mod left;
mod loss;
mod operator;
mod otlp;
mod page;
mod prices;
mod server;
mod signals;
mod structure;
mod upgrade;
mod walls;
