//! The command line: arguments and the commands of the binary. Holds no logic that the library cannot be asked for.

#![forbid(unsafe_code)]

mod check;
mod demo;
mod explain;
mod images;
mod render;
mod serve;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::Address;
use crate::gateway::{Start, start};
use crate::journal;

/// Exit status of success.
pub const DONE: u8 = 0;
/// Exit status of a failure.
pub const FAILED: u8 = 1;
/// Exit status of wrong usage.
pub const WRONG_USAGE: u8 = 2;

/// An image server for the documented Image Serving protocol, behind FastCGI or CGI.
#[derive(Debug, Parser)]
#[command(
    name = "imprint",
    version,
    disable_help_subcommand = true,
    after_help = "Example: imprint render -c site/imprint.conf 'shop/shoe?wid=200' -o shoe.jpg\n\
                  Settings: -c FILE, else $IMPRINT_CONFIG, else imprint.conf beside the program,\n\
                  else /etc/imprint/imprint.conf.\n\
                  Exit status: 0 done, 1 failed, 2 wrong usage. Without arguments imprint expects\n\
                  to be started by a web server (CGI, or a listening socket on descriptor 0)."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer FastCGI requests until told to stop.
    #[command(
        after_help = "Example: imprint serve -c site/imprint.conf --listen unix:/run/imprint.sock"
    )]
    Serve(Serve),
    /// Answer one request: an object with its commands, a path or a full URL.
    #[command(
        after_help = "Example: imprint render -c site/imprint.conf 'shop/shoe?wid=200' -o shoe.jpg"
    )]
    Render(Render),
    /// Report every fault of settings and catalogs, or of images.
    #[command(after_help = "Example: imprint check -c site/imprint.conf --json\n         \
                      imprint check --images --read-pixels photo.jpg")]
    Check(Check),
    /// Show how a request resolves: commands, origins, plan, cost.
    #[command(
        after_help = "Example: imprint explain -c site/imprint.conf 'shop/shoe?$zoom$&wid=200'"
    )]
    Explain(Explain),
    /// Make a sample site, save an image through FastCGI, serve a preview.
    #[command(after_help = "Example: imprint demo --http 127.0.0.1:8090")]
    Demo(Demo),
}

#[derive(Debug, clap::Args)]
struct Settings {
    /// Settings file; see imprint --help.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Serve {
    #[command(flatten)]
    settings: Settings,
    /// unix:/path, host:port or `[v6]:port`; may be repeated.
    #[arg(long, value_name = "ADDR", value_parser = Address::parse)]
    listen: Vec<Address>,
    /// Worker processes, 0 to 256; 0 answers in this process.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=256))]
    workers: Option<u32>,
    /// Preview for trying things without a web server.
    #[arg(long, value_name = "ADDR", value_parser = Address::parse)]
    http: Option<Address>,
}

#[derive(Debug, clap::Args)]
struct Render {
    #[command(flatten)]
    settings: Settings,
    /// The request.
    request: String,
    /// File for the body; standard output without it.
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Check {
    #[command(flatten)]
    settings: Settings,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
    /// Check source files instead.
    #[arg(long)]
    images: bool,
    /// Check the files that catalog records name.
    #[arg(long, requires = "images")]
    sources: bool,
    /// Accept every type that is read, the default.
    #[arg(long, requires = "images", hide = true)]
    any: bool,
    /// Accept any, jpeg or ptif; may be repeated.
    #[arg(
        long = "type",
        value_name = "TYPE",
        requires = "images",
        value_enum,
        hide_possible_values = true
    )]
    types: Vec<images::Type>,
    /// Decode all pixels, not only the header.
    #[arg(long, requires = "images")]
    read_pixels: bool,
    /// Look into embedded color profiles.
    #[arg(long, requires = "images")]
    validate_color_profile: bool,
    /// Refuse more than 8 bits a component.
    #[arg(long = "reject-16-bit", requires = "images")]
    reject_16_bit: bool,
    /// Check the files listed there, one a line.
    #[arg(long, value_name = "FILE", requires = "images", conflicts_with = "files")]
    file_list: Option<PathBuf>,
    /// End at the first fault.
    #[arg(long, requires = "images")]
    stop_on_error: bool,
    /// Name valid files too.
    #[arg(long, requires = "images", conflicts_with = "silent")]
    verbose: bool,
    /// Print nothing.
    #[arg(long, requires = "images")]
    silent: bool,
    /// Files to check.
    #[arg(value_name = "FILE", requires = "images")]
    files: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Explain {
    #[command(flatten)]
    settings: Settings,
    /// The request.
    request: String,
    /// Explain as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Demo {
    /// Address of the preview.
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:8090",
        value_parser = Address::parse
    )]
    http: Address,
    /// End after the save.
    #[arg(long)]
    once: bool,
}

/// Runs the program; the value is the exit status: 0 done, 1 failed, 2 wrong usage.
///
/// In CGI mode the arguments are ignored (G-10).
pub fn run(arguments: impl Iterator<Item = OsString>) -> u8 {
    journal::trace::start();
    let outcome = match start() {
        Start::Cgi => serve::cgi(),
        Start::Inherited | Start::Activated(_) => serve::started_by_server(),
        Start::Help => {
            let _ = write!(std::io::stderr(), "{}", Arguments::command().render_help());
            return WRONG_USAGE;
        }
        Start::Arguments => {
            let arguments: Vec<OsString> = arguments.collect();
            match Arguments::try_parse_from(&arguments) {
                Ok(parsed) => command(parsed.command),
                Err(error) => return tell(&error),
            }
        }
    };
    match outcome {
        Ok(status) => status,
        Err(failure) => {
            for line in failure.lines() {
                let _ = writeln!(std::io::stderr(), "imprint: {line}");
            }
            FAILED
        }
    }
}

fn command(command: Command) -> Result<u8, String> {
    match command {
        Command::Serve(arguments) => serve::serve(&arguments),
        Command::Render(arguments) => render::render(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Demo(arguments) => demo::demo(&arguments),
    }
}

/// Prints help or version, or what is wrong with the arguments; the exit status. A closed pipe is no reason to fail.
fn tell(error: &clap::Error) -> u8 {
    let text = error.to_string();
    if !error.use_stderr() {
        let _ = std::io::stdout().write_all(text.as_bytes());
        return DONE;
    }
    // A missing command shows the help, which stands for itself.
    let text = text.strip_prefix("error: ").map(|text| format!("imprint: {text}")).unwrap_or(text);
    let _ = std::io::stderr().write_all(text.as_bytes());
    WRONG_USAGE
}

/// The settings file to use, or why there is none.
fn config_path(settings: &Settings) -> Result<PathBuf, String> {
    let binary = std::env::current_exe().ok();
    crate::config::Config::find(settings.config.as_deref(), std::env::vars_os(), binary.as_deref())
        .ok_or_else(|| {
            "no settings: give -c FILE, set IMPRINT_CONFIG, or write /etc/imprint/imprint.conf"
                .to_owned()
        })
}

fn joined(faults: &[crate::config::Fault]) -> String {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
