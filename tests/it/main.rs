//! Berth over HTTP, as its users meet it.

