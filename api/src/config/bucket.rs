//! The bucket of a ledger: three settings, and a key that stands in the environment alone.
//!
//! The key has the names that every program of this kind reads. It is in no file of ours, in no log line and in no message.
//! Not here: what is put into the bucket (`gongkai_store::bucket`).

use std::fmt::Display;
use std::str::FromStr;

use gongkai_store::Bucket;
use gongkai_store::bucket::{Address, BucketOptions, Endpoint, NotABucket};
use serde::{Deserialize as _, Deserializer, Serializer};

use super::Config;
use super::settings::{ACCESS_KEY, SECRET_KEY, SESSION_TOKEN};
use crate::outcome::Fault;

/// Longest name of a region.
const REGION_BYTES_MAX: usize = 64;

/// What servers of one's own call the only region that they have.
pub fn region_default() -> String {
    "us-east-1".to_owned()
}

pub(super) fn region<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if text.is_empty() || text.len() > REGION_BYTES_MAX || !text.bytes().all(known) {
        return Err(serde::de::Error::custom("应是地域的代码，例如 cn-north-1"));
    }
    Ok(text)
}

pub(super) fn parsed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = NotABucket>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(|error| {
        serde::de::Error::custom(match error {
            NotABucket::Address => "应是 s3://桶/文件夹，不带口令和参数",
            NotABucket::Endpoint => "应是 https:// 开头的网址，不带路径、口令和参数",
            NotABucket::Plain => "http:// 只能用于本机；别的机器请用 https://",
        })
    })
}

// Its form is what serde asks for.
#[expect(clippy::ref_option, reason = "serde hands over a reference to the member")]
pub(super) fn shown<S: Serializer, T: Display>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

/// Settings of a bucket.
pub(super) type Settled<'c> = (&'c Address, Option<&'c Endpoint>, &'c str);

/// The bucket that a configuration names, with the key of this environment.
///
/// # Errors
/// There is a bucket and no key, or no client can be made.
pub fn open(config: &Config) -> Result<Option<Bucket>, Fault> {
    let Some(settled) = config.bucket.as_ref() else { return Ok(None) };
    let settled = (settled, config.bucket_endpoint.as_ref(), config.bucket_region.as_str());
    with_key(settled, |name| std::env::var(name).ok().filter(|value| !value.is_empty())).map(Some)
}

fn with_key((address, endpoint, region): Settled<'_>, said: impl Fn(&str) -> Option<String>) -> Result<Bucket, Fault> {
    let must = |name: &str| {
        said(name).ok_or_else(|| {
            Fault::usage(format!("环境变量 {name}"), format!("没有写入 {address} 的钥匙")).mend(
                "请在启动它的环境里设 AWS_ACCESS_KEY_ID 和 AWS_SECRET_ACCESS_KEY；不用对象存储的，去掉 bucket 设置",
            )
        })
    };
    let options = BucketOptions {
        address: address.clone(),
        endpoint: endpoint.cloned(),
        region: region.to_owned(),
        access_key: must(ACCESS_KEY)?,
        secret_key: must(SECRET_KEY)?.into(),
        token: said(SESSION_TOKEN).map(Into::into),
    };
    Bucket::new(&options).map_err(|error| Fault::failed(format!("对象存储 {address}"), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_without_a_key_is_refused_and_a_key_is_never_shown() {
        let address: Address = "s3://gk-qinghe/county".parse().unwrap();
        let endpoint: Endpoint = "https://s3.example.com".parse().unwrap();
        let said = |missing: &'static str| {
            move |name: &str| (name != missing).then(|| format!("the secret {name} that nobody sees"))
        };
        let open = |missing| with_key((&address, Some(&endpoint), "cn-north-1"), said(missing));
        for missing in [ACCESS_KEY, SECRET_KEY] {
            let fault = open(missing).unwrap_err().to_string();
            assert!(fault.contains(missing) && !fault.contains("nobody sees"), "{fault}");
        }
        assert_eq!(format!("{:?}", open(SESSION_TOKEN).unwrap()), "Bucket(s3://gk-qinghe/county)");
    }
}
