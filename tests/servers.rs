//! Real servers: the program behind nginx, Apache and lighttpd, started in every way, and under attack.

mod hostile;
mod starts;
mod through;
mod workers;
