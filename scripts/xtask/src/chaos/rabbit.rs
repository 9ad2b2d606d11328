//! External interventions on a broker: alarms, and changes through its management API.

use anyhow::{Context, Result, ensure};
use skeleton::messaging::topology::{Admin, encoded};
use tokio::process::Command;

use crate::native::{self, run_folder, setting};

/// Runs rabbitmqctl on the broker that `deploy/native` has started, as the broker's user.
pub async fn rabbitmqctl(arguments: &[&str]) -> Result<()> {
    let pid = native::pid_of(&run_folder(), "rabbitmq")?;
    let environment = std::fs::read(format!("/proc/{pid}/environ")).context("cannot read the broker's environment")?;
    let environment = String::from_utf8_lossy(&environment).into_owned();
    let is_wanted = |line: &&str| {
        ["HOME=", "RABBITMQ_NODENAME=", "RABBITMQ_CONF_ENV_FILE=", "ERL_EPMD_PORT="]
            .iter()
            .any(|name| line.starts_with(name))
    };
    let variables = environment.split('\0').filter(is_wanted).filter_map(|line| line.split_once('='));
    let owner = Command::new("stat").args(["-c", "%u %g", &format!("/proc/{pid}")]).output().await?;
    let owner = String::from_utf8(owner.stdout)?;
    let (user, group) = owner.trim().split_once(' ').context("the broker's owner is unknown")?;
    let (user, group): (u32, u32) = (user.parse()?, group.parse()?);
    let mut command = Command::new("/usr/lib/rabbitmq/bin/rabbitmqctl");
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LANG", "C.UTF-8").envs(variables);
    let output = command.args(arguments).uid(user).gid(group).current_dir("/").output().await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "rabbitmqctl {}: {said}", arguments.join(" "));
    Ok(())
}

/// An administrator's connection to the management API for the six services' virtual host.
pub fn admin() -> Result<Admin> {
    Ok(Admin::new(&setting("KITH_RABBIT_API")?, "/"))
}

/// Closes every client connection to the broker. Returns their number.
pub async fn close_connections() -> Result<usize> {
    let admin = admin()?;
    let connections = admin.get("connections").await?;
    let names: Vec<&str> =
        connections.as_array().into_iter().flatten().filter_map(|connection| connection["name"].as_str()).collect();
    for name in &names {
        admin.delete(&format!("connections/{}", encoded(name))).await?;
    }
    Ok(names.len())
}
