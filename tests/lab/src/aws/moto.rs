//! moto: the child process that keeps the state of STS and EC2, and its first content.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use super::{CLUSTER_GROUP, DHCP_OPTIONS, NETWORK_ACL, ROUTE_TABLE, SUBNETS};
use crate::address;

/// Python needs about two seconds to import moto; a busy machine much longer.
const START_LIMIT: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);

pub(super) struct Moto {
    program: PathBuf,
    address: SocketAddr,
    log: PathBuf,
    /// Started by the first request that needs it: its imports take 1.5 s of CPU time.
    child: Mutex<Option<Child>>,
    /// Set when moto responds and has created the lab's VPC.
    identifiers: Mutex<Option<Identifiers>>,
}

/// moto creates random identifiers; these pairs (moto's, the lab's) are replaced in both directions.
type Identifiers = Vec<(String, &'static str)>;

impl Moto {
    pub(super) fn new(program: PathBuf, address: SocketAddr, log: PathBuf) -> Self {
        Self { program, address, log, child: Mutex::default(), identifiers: Mutex::default() }
    }

    /// Whether a request started it.
    pub(super) async fn is_started(&self) -> bool {
        self.child.lock().await.is_some()
    }

    fn start(&self) -> anyhow::Result<Child> {
        let output = File::create(&self.log).with_context(|| format!("creating {}", self.log.display()))?;
        Command::new(&self.program)
            .args(["--host", &self.address.ip().to_string(), "--port", &self.address.port().to_string()])
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| {
                format!("starting {}: run tests/lab/tools/build.sh first", self.program.display())
            })
    }

    /// Forwards a client's request to moto, and replaces the lab's identifiers by moto's and back.
    pub(super) async fn exchange(&self, request: Request<Bytes>) -> anyhow::Result<Response<Bytes>> {
        let identifiers = self.ready().await?;
        let (head, body) = request.into_parts();
        let body = identifiers.iter().fold(text(&body), |body, (moto, lab)| body.replace(lab, moto));
        let response = self.send(Request::from_parts(head, Full::from(body))).await?;
        let (head, body) = response.into_parts();
        let body = identifiers.iter().fold(text(&body), |body, (moto, lab)| body.replace(moto, lab));
        Ok(Response::from_parts(head, Bytes::from(body)))
    }

    /// Deletes everything that was created; the next request creates the lab's VPC again.
    pub(super) async fn reset(&self) -> anyhow::Result<()> {
        let mut identifiers = self.identifiers.lock().await;
        if identifiers.take().is_some() {
            let request = Request::post("/moto-api/reset").header(header::HOST, self.address.to_string());
            self.send(request.body(Full::default())?).await?;
        }
        Ok(())
    }

    async fn ready(&self) -> anyhow::Result<Identifiers> {
        let mut identifiers = self.identifiers.lock().await;
        if let Some(identifiers) = &*identifiers {
            return Ok(identifiers.clone());
        }
        let mut child = self.child.lock().await;
        let child = match &mut *child {
            Some(child) => child,
            none => none.insert(self.start()?),
        };
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(self.address).await.is_err() {
            if let Some(status) = child.try_wait()? {
                anyhow::bail!("moto exited with {status}: see {}", self.log.display());
            }
            anyhow::ensure!(Instant::now() < deadline, "moto does not listen: see {}", self.log.display());
            tokio::time::sleep(POLL).await;
        }
        Ok(identifiers.insert(self.fill().await?).clone())
    }

    /// Creates the lab's VPC with its subnets.
    async fn fill(&self) -> anyhow::Result<Identifiers> {
        let vpc = self.create("vpcId", &format!("Action=CreateVpc&CidrBlock={}", address::VPC_CIDR)).await?;
        let dns = format!("Action=ModifyVpcAttribute&VpcId={vpc}&EnableDnsHostnames.Value=true");
        self.ec2(&dns).await?;
        let mut identifiers = Vec::new();
        for (subnet, zone, cidr) in SUBNETS {
            let form = format!("Action=CreateSubnet&VpcId={vpc}&AvailabilityZone={zone}&CidrBlock={cidr}");
            identifiers.push((self.create("subnetId", &form).await?, subnet));
        }
        let group =
            format!("Action=CreateSecurityGroup&VpcId={vpc}&GroupName=eks-cluster-sg&GroupDescription=nodes");
        identifiers.push((self.create("groupId", &group).await?, CLUSTER_GROUP));
        let table = format!("Action=DescribeRouteTables&Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}");
        identifiers.push((self.create("routeTableId", &table).await?, ROUTE_TABLE));
        let acl = format!("Action=DescribeNetworkAcls&Filter.1.Name=vpc-id&Filter.1.Value.1={vpc}");
        identifiers.push((self.create("networkAclId", &acl).await?, NETWORK_ACL));
        let options = "Action=CreateDhcpOptions&DhcpConfiguration.1.Key=domain-name-servers\
             &DhcpConfiguration.1.Value.1=AmazonProvidedDNS";
        let options = self.create("dhcpOptionsId", options).await?;
        self.ec2(&format!("Action=AssociateDhcpOptions&VpcId={vpc}&DhcpOptionsId={options}")).await?;
        identifiers.push((options, DHCP_OPTIONS));
        identifiers.push((vpc, address::VPC_ID));
        Ok(identifiers)
    }

    async fn create(&self, element: &str, form: &str) -> anyhow::Result<String> {
        let answer = self.ec2(form).await?;
        let (_, rest) = answer.split_once(&format!("<{element}>")).with_context(|| {
            format!("moto answered `{form}` without a {element}: see {}", self.log.display())
        })?;
        Ok(rest.split('<').next().unwrap_or(rest).to_owned())
    }

    async fn ec2(&self, form: &str) -> anyhow::Result<String> {
        self.send(ec2_request(form)?.map(Full::from)).await.and_then(|response| content(form, &response))
    }

    /// The content of EC2's response to a request of the lab, with the lab's identifiers.
    pub(super) async fn describe(&self, form: &str) -> anyhow::Result<String> {
        self.exchange(ec2_request(form)?).await.and_then(|response| content(form, &response))
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Bytes>> {
        let stream = TcpStream::connect(self.address).await.context("connecting to moto")?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let (head, body) =
            sender.send_request(request).await.context("sending a request to moto")?.into_parts();
        Ok(Response::from_parts(head, body.collect().await?.to_bytes()))
    }
}

/// A request to EC2, as a client sends it.
pub(super) fn ec2_request(form: &str) -> anyhow::Result<Request<Bytes>> {
    let scope = format!("lab/20260101/{}/ec2/aws4_request", address::REGION);
    let signature = format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
    let request = Request::post("/")
        .header(header::HOST, address::EC2.0)
        .header(header::AUTHORIZATION, signature)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    Ok(request.body(Bytes::from(format!("{form}&Version=2016-11-15")))?)
}

fn content(form: &str, response: &Response<Bytes>) -> anyhow::Result<String> {
    let (status, body) = (response.status(), text(response.body()));
    anyhow::ensure!(status.is_success(), "moto answered {status} to `{form}`: {body}");
    Ok(body)
}

fn text(body: &Bytes) -> String {
    String::from_utf8_lossy(body).into_owned()
}
