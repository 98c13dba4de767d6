//! Gongkai for people: the command line, the public site, the JSON API, the log over HTTP.
//!
//! One binary, `gongkai`; `cli` holds its commands. In scope: HTTP, HTML, files, terminal,
//! configuration. Out of scope: SQL, and rules of the domain: a handler extracts, calls, wraps.
//! A new command is a file in `cli`, a new endpoint a file in `http/api`, a new page a file in
//! `http/pages` with its context in `site`.

pub mod backup;
pub mod ballot;
pub mod citizen;
pub mod cli;
pub mod client;
pub mod code;
pub mod config;
pub mod cosigning;
pub mod demo;
pub mod draftfile;
pub mod exchange;
pub mod fetch;
pub mod further;
pub mod gap;
pub mod http;
pub mod importing;
pub mod keyfile;
pub mod login;
pub mod mirrors;
pub mod opening_file;
pub mod outbox;
pub mod outcome;
pub mod paper;
pub mod pending;
pub mod pushing;
pub mod reviewing;
pub mod roots;
pub mod rotation;
pub mod share;
pub mod sheets;
pub mod site;
pub mod traces;
pub mod witness;
