//! Queries the public API, as accounts of a loaded graph, for distances and degrees, and compares them with known ones.

mod graph;

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use graph::{degrees, every_so_often, read_graph};

/// Query the public API for distances and degrees of a graph loaded with `demo`, and compare them with known ones.
#[derive(Args)]
pub struct Truth {
    /// The file that was loaded: `a b` on each line.
    edges: PathBuf,
    /// A file with the known distances: `{"pairs": [{"a": "1", "b": "2", "dist": 3}], "boundary_pairs": [..]}`.
    truth: Option<PathBuf>,
    /// The address of the gateway.
    #[arg(long, env = "KITH_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// The maximum number of pairs to query.
    #[arg(long, default_value_t = 1000)]
    pairs: usize,
    /// The number of accounts whose degrees are queried.
    #[arg(long, default_value_t = 25)]
    accounts: usize,
}

#[derive(Deserialize)]
struct Known {
    pairs: Vec<Pair>,
    #[serde(default)]
    boundary_pairs: Vec<Pair>,
}

#[derive(Deserialize)]
struct Pair {
    a: String,
    b: String,
    dist: Option<u32>,
}

impl Truth {
    /// Queries and compares.
    pub async fn run(self) -> Result<()> {
        let graph = read_graph(&fs::read_to_string(&self.edges)?);
        let pairs = match &self.truth {
            Some(path) => {
                let known: Known =
                    serde_json::from_str(&fs::read_to_string(path)?).context("cannot read the known distances")?;
                known
                    .pairs
                    .into_iter()
                    .chain(known.boundary_pairs)
                    .map(|pair| Ok((pair.a.parse()?, pair.b.parse()?, pair.dist)))
                    .collect::<Result<Vec<_>>>()?
            }
            None => every_so_often(&graph, self.pairs),
        };
        let client = Client::new();
        let mut wrong = 0;
        let mut tokens: BTreeMap<u64, String> = BTreeMap::new();
        let asked = &pairs[..pairs.len().min(self.pairs)];
        for (one, other, distance) in asked {
            let token = self.token(&client, &mut tokens, *one).await?;
            let found = self.distance(&client, &token, *other).await?;
            let expected = distance.filter(|distance| *distance <= 6);
            if found != expected {
                wrong += 1;
                println!("n{one} to n{other}: {found:?}, expected {expected:?}");
            }
        }
        println!("distances: {} queried, {wrong} wrong", asked.len());
        let numbers: Vec<u64> = graph.keys().copied().collect();
        let mut wrong_degrees = 0;
        let step = (numbers.len() / self.accounts.max(1)).max(1);
        let chosen: Vec<u64> = numbers.iter().copied().step_by(step).take(self.accounts).collect();
        for number in &chosen {
            let token = self.token(&client, &mut tokens, *number).await?;
            let found = self.degrees(&client, &token).await?;
            let expected = degrees(&graph, *number);
            if found != expected {
                wrong_degrees += 1;
                println!("n{number}: people at each degree {found:?}, expected {expected:?}");
            }
        }
        println!("people at each degree: {} accounts queried, {wrong_degrees} wrong", chosen.len());
        ensure!(wrong + wrong_degrees == 0, "{} answers are wrong", wrong + wrong_degrees);
        Ok(())
    }

    async fn token(&self, client: &Client, tokens: &mut BTreeMap<u64, String>, number: u64) -> Result<String> {
        if let Some(token) = tokens.get(&number) {
            return Ok(token.clone());
        }
        let login = json!({ "email": format!("n{number}@demo.test"), "password": "demo-password" });
        let answer = client.post(format!("{}/api/v1/sessions", self.url)).json(&login).send().await?;
        ensure!(answer.status().is_success(), "n{number} cannot sign in: {}", answer.text().await?);
        let session: Value = answer.json().await?;
        let token = session["access_token"].as_str().ok_or_else(|| anyhow!("no access token"))?.to_owned();
        tokens.insert(number, token.clone());
        Ok(token)
    }

    async fn distance(&self, client: &Client, token: &str, to: u64) -> Result<Option<u32>> {
        let url = format!("{}/api/v1/network/paths?to=n{to}@demo.test&max=6", self.url);
        let answer = client.get(url).bearer_auth(token).send().await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        ensure!(answer.status().is_success(), "{}", answer.text().await?);
        let paths: Value = answer.json().await?;
        let length = paths["shortest"]["length"].as_u64().ok_or_else(|| anyhow!("no length in {paths}"))?;
        let people = paths["shortest"]["people"].as_array().map_or(0, Vec::len);
        ensure!(people as u64 == length + 1, "{people} people on a path of length {length}");
        let best = paths["best"]["length"].as_u64().ok_or_else(|| anyhow!("no best path in {paths}"))?;
        ensure!((length..=6).contains(&best), "the best path has {best} steps, the shortest {length}");
        Ok(Some(u32::try_from(length)?))
    }

    async fn degrees(&self, client: &Client, token: &str) -> Result<Vec<u64>> {
        let answer = client.get(format!("{}/api/v1/network/degrees", self.url)).bearer_auth(token).send().await?;
        ensure!(answer.status().is_success(), "{}", answer.text().await?);
        let answer: Value = answer.json().await?;
        let degrees = answer["degrees"].as_array().ok_or_else(|| anyhow!("no degrees in {answer}"))?;
        Ok(degrees.iter().map(|degree| degree["people"].as_u64().unwrap_or_default()).collect())
    }
}
