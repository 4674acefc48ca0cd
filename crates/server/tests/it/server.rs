//! A real server in a separate process, on a port that the operating system chooses.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Key of project 1 in every test.
pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A running `hinomi serve` with its own data directory. It is killed when this is dropped.
pub(crate) struct Server {
    process: Option<Child>,
    folder: tempfile::TempDir,
    data: PathBuf,
    variables: Vec<(String, String)>,
    pub(crate) url: String,
    pub(crate) token: String,
    agent: ureq::Agent,
    /// Limit of open files; `None` for the limit of this process.
    files: Option<u32>,
}

/// Response to a request.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: ureq::http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Server {
    pub(crate) fn start() -> Server {
        Server::start_with(&[])
    }

    /// Starts a server with additional environment variables.
    pub(crate) fn start_with(variables: &[(&str, &str)]) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        Server::start_in(folder, data, variables)
    }

    /// Starts a server with a limit of open files.
    pub(crate) fn start_with_files(files: u32) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        Server::begin(folder, data, &[], Some(files))
    }

    /// Starts a server with its data directory below another directory.
    pub(crate) fn start_on(disk: &Path, variables: &[(&str, &str)]) -> Server {
        Server::start_in(tempfile::tempdir().unwrap(), disk.join("data"), variables)
    }

    fn start_in(folder: tempfile::TempDir, data: PathBuf, variables: &[(&str, &str)]) -> Server {
        Server::begin(folder, data, variables, None)
    }

    fn begin(folder: tempfile::TempDir, data: PathBuf, variables: &[(&str, &str)], files: Option<u32>) -> Server {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(60)))
            .http_status_as_error(false)
            .max_redirects(0)
            .build()
            .new_agent();
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut server = Server { process: None, folder, data, variables, url: String::new(), token: String::new(), agent, files };
        server.launch();
        server.token = server.command(&["token", "create", "--admin"]).0.trim().to_owned();
        server
    }

    fn launch(&mut self) {
        let port_file = self.folder.path().join("port");
        let _ = std::fs::remove_file(&port_file);
        let mut command = hinomi(&self.data());
        if let Some(files) = self.files {
            let mut limited = Command::new("sh");
            limited.args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_hinomi")]);
            limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
            command = limited;
        }
        command.args(["serve", "--listen", "127.0.0.1:0", "--port-file"]).arg(&port_file);
        command.env("HINOMI_DSN_KEY", KEY).env("HINOMI_LOG", "warn");
        command.envs(self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let log = std::fs::File::options().create(true).append(true).open(self.log_path()).unwrap();
        command.stdout(Stdio::null()).stderr(log);
        let mut process = command.spawn().unwrap();
        let started = Instant::now();
        let port = loop {
            if let Ok(port) = std::fs::read_to_string(&port_file) {
                break port;
            }
            let ended = process.try_wait().unwrap();
            assert!(ended.is_none() && started.elapsed() < Duration::from_secs(60), "the server did not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        };
        self.process = Some(process);
        self.url = format!("http://127.0.0.1:{port}");
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.data.clone()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// Returns the largest amount of memory that the process ever used, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.as_ref().unwrap().id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Kills the process, as in a power failure.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Kills the process while other threads still send. The next start notices that it has ended.
    pub(crate) fn kill_now(&self) {
        let process = self.process.as_ref().unwrap();
        assert!(Command::new("kill").args(["-9", &process.id().to_string()]).status().unwrap().success());
    }

    /// Changes an environment variable from the next start on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn restart(&mut self) {
        self.kill();
        self.launch();
    }

    /// Asks the process to stop. Returns its exit status.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let mut process = self.process.take().unwrap();
        let asked = Command::new("kill").arg(process.id().to_string()).status().unwrap();
        assert!(asked.success());
        process.wait().unwrap().code()
    }

    pub(crate) fn start_again(&mut self) {
        assert!(self.process.is_none());
        self.launch();
    }

    /// Runs a command on the same data directory. Returns standard output, standard error and exit status.
    pub(crate) fn command(&self, arguments: &[&str]) -> (String, String, Option<i32>) {
        run(&self.data(), arguments)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.get_as(path, &self.token)
    }

    pub(crate) fn get_as(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, &[("authorization", &format!("Bearer {token}"))], Vec::new())
    }

    /// Runs a query of project 1 that must succeed.
    pub(crate) fn ask(&self, path: &str) -> Value {
        let answer = self.get(&format!("/api/v1/projects/1{path}"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json()
    }

    pub(crate) fn envelope(&self, body: impl Into<Vec<u8>>) -> Answer {
        self.send("POST", &format!("/api/1/envelope/?sentry_key={KEY}"), &[], body.into())
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        self.try_send(method, path, headers, body).unwrap_or_else(|error| panic!("{method} {path}: {error}; {}", self.log()))
    }

    /// Sends a request and returns as soon as the response headers are there.
    pub(crate) fn open(&self, path: &str, headers: &[(&str, &str)]) -> ureq::http::Response<ureq::Body> {
        let mut request = ureq::http::Request::get(format!("{}{path}", self.url)).header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.agent.run(request.body(()).unwrap()).unwrap_or_else(|error| panic!("{path}: {error}; {}", self.log()))
    }

    pub(crate) fn try_send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Result<Answer, ureq::Error> {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let agent = &self.agent;
        let mut answer = if body.is_empty() && matches!(method, "GET" | "DELETE" | "OPTIONS") {
            agent.run(request.body(()).unwrap())?
        } else {
            agent.run(request.body(body).unwrap())?
        };
        let bytes = answer.body_mut().with_config().limit(200 << 20).read_to_vec()?;
        // Some responses are not text.
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Answer { status: answer.status().as_u16(), headers: answer.headers().clone(), text })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns the program under test without the settings of this machine.
pub(crate) fn hinomi(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hinomi"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HINOMI_")) {
        command.env_remove(name);
    }
    command.env("HINOMI_DATA", data);
    command
}

pub(crate) fn run(data: &Path, arguments: &[&str]) -> (String, String, Option<i32>) {
    let output = hinomi(data).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}
