//! The one list of settings: what each is called, means, takes, and is when nothing is said.
//!
//! From it are made the file that `init` writes, the names of the environment (`GONGKAI_` and the name in capitals, which
//! goes before the file), `gongkai config`, and `api/deploy/CONFIGURATION.md`. To add a setting, add a member to
//! [`Config`](super::Config) and a line to [`SETTINGS`]; tests hold the two together and the document up to date.
//!
//! Not here: what values are allowed, which the member's own type and parser say.

use std::fmt::Write as _;

use toml::{Table, Value};

/// What begins every name of the environment that is ours.
pub const PREFIX: &str = "GONGKAI_";
/// What is logged.
pub const LOG: &str = "GONGKAI_LOG";
/// In which form.
pub const LOG_FORMAT: &str = "GONGKAI_LOG_FORMAT";
/// Where traces are sent.
pub const TRACES: &str = "GONGKAI_TRACES";
/// Name of the key that writes the bucket.
pub const ACCESS_KEY: &str = "AWS_ACCESS_KEY_ID";
/// Its secret.
pub const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
/// What goes with a key for a short time.
pub const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";

/// Names of the environment that are no settings of a ledger, with what they are.
const OTHERS: [(&str, &str); 6] = [
    (LOG, "写哪些日志，例如 info 或 gongkai_api=debug；不设时只写警告和错误"),
    (LOG_FORMAT, "日志的形式：text（不设时）或 json，一行一个"),
    (
        TRACES,
        "把追踪（OpenTelemetry，OTLP/HTTP）送到哪个网址，例如 http://127.0.0.1:4318/v1/traces，只能是本机或 https；\
         不设时不送。里面只有请求方法、路由、状态类别、批的大小和耗时",
    ),
    (ACCESS_KEY, "写入对象存储的钥匙的名称；设了 bucket 时必须有"),
    (SECRET_KEY, "这把钥匙的密文；只从环境读，不写进任何文件和日志"),
    (SESSION_TOKEN, "临时钥匙的令牌；长期钥匙不用"),
];
/// What begins the names that the project's own tests use.
const OF_TESTS: [&str; 8] = ["SHARED", "BLESS", "ROUNDS", "SEED", "SOAK_", "BINARY", "FLUSHES", "BENCH_"];

/// How the environment writes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it stands.
    Text,
    /// Digits.
    Number,
    /// Separated by commas, or a TOML array.
    List,
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name in the file.
    pub name: &'static str,
    /// How the environment writes it.
    pub form: Form,
    /// What it takes, with the unit.
    pub takes: &'static str,
    /// What holds when nothing is said; empty when it must be said.
    pub default: &'static str,
    /// A value as TOML, written into the file behind a `#` where none is said.
    pub example: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Whether the environment may change it.
    pub from_environment: bool,
}

const fn setting(
    name: &'static str,
    form: Form,
    (takes, default): (&'static str, &'static str),
    example: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting { name, form, takes, default, example, meaning, from_environment: true }
}

const fn fixed(name: &'static str, takes: &'static str, example: &'static str, meaning: &'static str) -> Setting {
    Setting { from_environment: false, ..setting(name, Form::Text, (takes, ""), example, meaning) }
}

use Form::{List, Number, Text};

/// All settings, in the order of the file.
#[rustfmt::skip]
pub const SETTINGS: &[Setting] = &[
    fixed("origin", "账本标识", "\"ledger.example/qinghe\"", "账本标识，也是日志钥匙的名称；一经创建不能更改。"),
    fixed("name", "文字", "\"青禾县公开账本\"", "账本名称。"),
    fixed("org", "机构代码", "\"341599\"", "主管机构代码。"),
    setting("contact", Text, ("文字", "空"), "\"青禾县公开办 0564-0000000\"", "主办单位和联系方式，显示在每页下方。"),
    setting("base_url", Text, ("网址", "监听的地址"), "\"https://gk.example.gov.cn\"", "群众访问的网址，印在二维码里。"),
    setting("listen", Text, ("地址:端口", "127.0.0.1:8080"), "\"127.0.0.1:8080\"", "公众网站监听的地址；对外服务请改为 0.0.0.0:8080。"),
    setting("internal_listen", Text, ("地址:端口", "不开"), "\"127.0.0.1:8081\"", "内部办理页面监听的地址，只应让内部网络到达；除本机外一律加密（https）。"),
    setting("internal_names", List, ("域名或 IP 地址，多个", "没有"), "[\"nb.example.gov.cn\"]", "内部页面另用的名称，写进自动生成的证书；改后删去 keys/internal-tls.pem 再启动。"),
    setting("metrics_listen", Text, ("本机地址:端口", "不开"), "\"127.0.0.1:9464\"", "指标（/metrics，Prometheus 文本格式）监听的地址，只能是本机地址；里面没有个人信息，但看得出收件的时刻。"),
    setting("vault_passphrase_file", Text, ("文件，从账本目录起算", "在终端询问"), "\"/run/credentials/gongkai.service/vault\"", "限阅库主密钥 keys/vault.key 的口令文件，第一行是口令。"),
    setting("vault_key_command", List, ("程序和参数", "不用"), "[\"/usr/local/bin/kms-get\", \"gongkai-vault\"]", "给出限阅库主密钥的命令（密钥管理系统），代替口令文件；输出期号、空格和 32 字节的 base64。"),
    setting("sealed_period_seconds", Number, ("秒，1–86400", "600"), "600", "封存事项每隔多少秒记入账本一次；收件承诺在两个间隔内兑现。"),
    setting("map_seconds", Number, ("秒，1–86400", "600"), "600", "总目每隔多少秒记入账本一次（没有新记录时不记）；凭它可以证明没有缺漏。"),
    setting("mirrors", List, ("网址，最多 16 个", "没有"), "[\"https://jx.example.gov.cn\"]", "复制这本账的镜像网站：核对它们是否跟随撤下；它们的记录比这里多时不启动。"),
    setting("push_mirrors", List, ("网址、空格、验证钥匙，最多 16 个", "没有"), "[\"https://mirror.example.edu.cn mirror.example.edu.cn+5ad1c9f0+BA...\"]", "自己把日志推送给哪些镜像（C2SP tlog-mirror）。"),
    setting("intakes", List, ("网址，最多 16 个", "没有"), "[\"https://sj.example.gov.cn\"]", "互联网一侧的收件处（gongkai intake）；用磁盘摆渡的放进 gap/in/，不写在这里。"),
    setting("intake_seconds", Number, ("秒，1–86400", "600"), "600", "每隔多少秒去收件处取一次。"),
    setting("witness_policy", Text, ("文件，从账本目录起算", "没有见证方"), "\"witness.policy\"", "联署检查点的见证方（C2SP tlog-policy 格式的文件），公布在 /log/policy。"),
    setting("witness_seconds_max", Number, ("秒，1–60", "5"), "5", "公布检查点时最多等见证方多少秒。"),
    setting("views", Text, ("files 或 server", "files"), "\"server\"", "查询库（由账本得出，可以随时重建）放在哪里：files 是账本目录；server 是账本所在的 PostgreSQL，几台机器共用，由其中一台写。"),
    setting("read_replicas", List, ("postgres://用户@主机:端口/库，最多 8 个", "没有"), "[\"postgres://gongkai@db2.example.gov.cn/gongkai\"]", "从哪些 PostgreSQL 流复制从库读公开页面（views 是 server 时才能用）：从库落后、连不上或没有正在使用的查询库时，自动改读主库；口令用 PGPASSWORD 或 ~/.pgpass。"),
    setting("bucket", Text, ("s3://桶/文件夹", "只放在目录里"), "\"s3://gk-qinghe/county\"", "公开的文件另外放进哪个对象存储（S3 及兼容的）；前面可以接 CDN，只应让人读其中的 log/。"),
    setting("bucket_endpoint", Text, ("网址", "亚马逊的"), "\"https://s3.example.com\"", "对象存储的服务地址；要求桶名写在域名里的，写成 https://桶.域名。"),
    setting("bucket_region", Text, ("地域代码", "us-east-1"), "\"cn-north-1\"", "对象存储的地域。"),
    setting("hotline", Text, ("文字，1–40 个字", "12345"), "\"12345\"", "监督热线，印在每张张贴表的二维码旁边。"),
];

impl Setting {
    /// Its name in the environment.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_uppercase())
    }

    fn value(&self, text: &str) -> Result<Value, String> {
        let wrong = |why: &str| format!("{}：「{text}」{why}", self.variable());
        match self.form {
            Text => Ok(Value::String(text.to_owned())),
            Number => text.parse().map(Value::Integer).map_err(|_| wrong("应是整数")),
            List if text.trim_start().starts_with('[') => {
                let table: Table = format!("value = {text}").parse().map_err(|_| wrong("不是 TOML 列表"))?;
                table.get("value").cloned().ok_or_else(|| wrong("不是 TOML 列表"))
            }
            List => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Ok(Value::Array(items.map(|item| Value::String(item.to_owned())).collect()))
            }
        }
    }
}

/// Puts what the environment says over what the file says; whether it said anything.
///
/// # Errors
/// A name that begins like ours and is none, one that only the file may say, or a value that cannot be read.
pub fn overlay(table: &mut Table, environment: impl IntoIterator<Item = (String, String)>) -> Result<bool, String> {
    let mut said = false;
    for (name, text) in environment {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        if OTHERS.iter().any(|(other, _)| *other == name) || OF_TESTS.iter().any(|test| rest.starts_with(test)) {
            continue;
        }
        let setting = SETTINGS.iter().find(|setting| setting.variable() == name);
        let setting = setting.ok_or_else(|| format!("没有环境变量 {name} 这个设置；gongkai config 列出全部"))?;
        if !setting.from_environment {
            return Err(format!("{name}：只能写在配置文件里"));
        }
        table.insert(setting.name.to_owned(), setting.value(&text)?);
        said = true;
    }
    Ok(said)
}

/// The text of a file with these values; what is not said stands there as an example.
pub fn file(values: &Table) -> String {
    let mut text =
        "# 公开账本的配置。每一项都可以用环境变量代替（gongkai config 列出名称），账本标识、名称和机构除外。\n"
            .to_owned();
    for setting in SETTINGS {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# {}", setting.meaning);
        let _ = match values.get(setting.name) {
            Some(Value::Array(items)) if items.is_empty() => writeln!(text, "# {} = {}", setting.name, setting.example),
            Some(value) => writeln!(text, "{} = {value}", setting.name),
            None => writeln!(text, "# {} = {}", setting.name, setting.example),
        };
    }
    text
}

/// The reference, for a terminal.
pub fn reference() -> String {
    let mut text = "配置写在账本目录的 gongkai.toml，环境变量优先于文件；两处写了没有的名称都会报错。\n".to_owned();
    for setting in SETTINGS {
        let default = if setting.default.is_empty() { "必须写" } else { setting.default };
        let variable = if setting.from_environment { setting.variable() } else { "只在文件里".to_owned() };
        let (name, takes, meaning) = (setting.name, setting.takes, setting.meaning);
        let _ = write!(text, "\n{name}（{variable}）\n    {meaning}\n    取值：{takes}；默认：{default}\n");
        let _ = writeln!(text, "    例：{name} = {}", setting.example);
    }
    text.push_str("\n只用环境变量的：\n");
    for (name, meaning) in OTHERS {
        let _ = writeln!(text, "{name}\n    {meaning}");
    }
    text
}

/// The same as a document.
pub fn markdown() -> String {
    let mut text = "# 配置\n\n由 `gongkai config --markdown` 生成。写在账本目录的 `gongkai.toml`；环境变量优先于文件，两处写了没有的名称都会报错。\n\n\
                    | 名称 | 环境变量 | 取值 | 默认 | 含义 |\n|---|---|---|---|---|\n"
        .to_owned();
    for setting in SETTINGS {
        let default = if setting.default.is_empty() { "必须写" } else { setting.default };
        let variable = if setting.from_environment { format!("`{}`", setting.variable()) } else { "—".to_owned() };
        let (name, takes, meaning) = (setting.name, setting.takes, setting.meaning);
        let _ = writeln!(text, "| `{name}` | {variable} | {takes} | {default} | {meaning} |");
    }
    text.push_str("\n只用环境变量的：\n\n| 环境变量 | 含义 |\n|---|---|\n");
    for (name, meaning) in OTHERS {
        let _ = writeln!(text, "| `{name}` | {meaning} |");
    }
    text
}
