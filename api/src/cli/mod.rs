//! The command line: one file a command, each `Args` with its options and one `run`.
//!
//! To add a command, add its file, its line in [`Command`] and in [`Command::run`]; a test then asks for
//! an example in its help, and that the example parses. What people read is Chinese, flags are English.
//! Exit codes and the shape of errors are decided in [`crate::outcome`] alone.

use std::process::ExitCode;

use clap::builder::Styles;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::outcome::{self, Fault, Outcome};

pub mod audit;
pub mod backup;
pub mod checking;
mod complete;
pub mod config;
pub mod cosign;
pub mod demo;
pub mod doctor;
pub mod draft;
pub mod export;
pub mod hand_in;
pub mod import;
pub mod init;
pub mod intake;
pub mod join;
pub mod keygen;
pub mod kinds;
pub mod local;
pub mod migrate;
pub mod mirror;
pub mod open;
pub mod open_envelope;
pub mod print;
pub mod proof;
pub mod publish;
pub mod push;
pub mod read;
pub mod reading;
pub mod rebuild;
pub mod recover;
pub mod restore;
pub mod review;
pub mod rotate_key;
pub mod serve;
pub mod showing;
pub mod sides;
pub mod sources;
pub mod status;
pub mod submit;
pub mod take_in;
pub mod tally;
pub mod telling;
pub mod terminal;
#[cfg(test)]
mod tests_of_commands;
pub mod values;
pub mod vault;
pub mod verify;
pub mod visit;
pub mod with_vault;
pub mod witness;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "gongkai",
    version,
    about = "公开账本：承诺、空缺职位与提名、公示、三务公开，写下就不能悄悄改",
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands, in the order in which a newcomer needs them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// 建一个演示账本并打开网站
    Demo(demo::Args),
    /// 新建账本：钥匙、配置、创世条目
    Init(init::Args),
    /// 打开网站、接口和日志
    Serve(serve::Args),
    /// 生成个人签名钥匙
    Keygen(keygen::Args),
    /// 列出事项种类、各项内容和样例
    Kinds(kinds::Args),
    /// 签名并提交命令文件
    Submit(submit::Args),
    /// 没有钥匙的人提交：来信、意见、异议、推荐、询问
    HandIn(hand_in::Args),
    /// 凭查询码查看提交的事项办到哪一步
    Status(status::Args),
    /// 人在外面、账本在内网：经收件处看等自己联署的稿件，签名
    Cosign(cosign::Args),
    /// 收件人打开加密提交的内容
    OpenEnvelope(open_envelope::Args),
    /// 四步审核之一：写送审稿并送审
    Draft(draft::Args),
    /// 四步审核之二、三：通过一关、退回修改、审批
    Review(review::Args),
    /// 四步审核之四：照审定的原稿签名公开
    Publish(publish::Args),
    /// 用钥匙登录，读内部页面的数据
    Read(read::Args),
    /// 查阅封存的内容：先签查阅记录，再显示
    Open(open::Args),
    /// 导入表格（CSV、XLS、XLSX、JSON）
    Import(import::Args),
    /// 导出可自证的归档，或数据表
    Export(export::Args),
    /// 把公开表、公示印成 PDF（A4 或 60×90 厘米）
    Print(print::Args),
    /// 取一条记录的证明文件
    Proof(proof::Args),
    /// 核验字节：签名、链、树、文件、权限
    Verify(verify::Args),
    /// 核验字节，再核对含义：缺月、补报、撤回、逾期
    Audit(audit::Args),
    /// 为别的账本做见证：检查点前后一致才联署
    Witness(witness::Args),
    /// 做镜像：跟随一本账，逐条核验，只读地对外提供
    Mirror(mirror::Args),
    /// 把日志推送给一个镜像，取得它的联署
    Push(push::Args),
    /// 网上收件处：放在互联网一侧，代内网的账本收件，当场给收件承诺
    Intake(intake::Args),
    /// 把网上收件处的批次收进账本，取出给提交人的答复
    TakeIn(take_in::Args),
    /// 重建查询库和搜索
    Rebuild(rebuild::Args),
    /// 把账本的数据搬进 PostgreSQL，或搬回目录
    Migrate(migrate::Args),
    /// 为数据在 PostgreSQL 的账本再加一个节点
    Join(join::Args),
    /// 评议投票：生成票码
    Tally(tally::Args),
    /// 限阅库：建库、换主密钥
    Vault(vault::Args),
    /// 换账本钥匙：准备、由恢复钥匙背书、记入账本
    RotateKey(rotate_key::Args),
    /// 备份账本，做成就核验过；网站可以在运行
    Backup(backup::Args),
    /// 从备份恢复到空目录，逐条证明恢复了什么
    Restore(restore::Args),
    /// 旧备份缺了条目：从镜像或日志的副本补回，记录在案
    Recover(recover::Args),
    /// 列出全部设置，或写出账本现在生效的配置
    Config(config::Args),
    /// 检查账本目录有什么毛病，怎么修
    Doctor(doctor::Args),
}

impl Command {
    /// Whether a machine reads the output.
    fn json(&self) -> bool {
        match self {
            Self::Demo(_) | Self::Serve(_) | Self::Witness(_) | Self::Intake(_) | Self::Config(_) => false,
            Self::Read(args) => args.is_json(),
            Self::Open(args) => args.json,
            Self::Init(args) => args.json,
            Self::Keygen(args) => args.json,
            Self::Kinds(args) => args.json,
            Self::Submit(args) => args.json,
            Self::HandIn(args) => args.json,
            Self::Status(args) => args.json,
            Self::Cosign(args) => args.json,
            Self::OpenEnvelope(args) => args.json,
            Self::Draft(args) => args.json,
            Self::Review(args) => args.json,
            Self::Publish(args) => args.json,
            Self::Import(args) => args.json,
            Self::Export(args) => args.json,
            Self::Print(args) => args.json,
            Self::Proof(args) => args.json,
            Self::Verify(args) => args.json,
            Self::Audit(args) => args.check.json,
            Self::Mirror(args) => args.json,
            Self::Push(args) => args.json,
            Self::TakeIn(args) => args.json,
            Self::Rebuild(args) => args.json,
            Self::Migrate(args) => args.json,
            Self::Join(args) => args.json,
            Self::Tally(args) => args.json(),
            Self::Vault(args) => args.json(),
            Self::RotateKey(args) => args.json(),
            Self::Backup(args) => args.json,
            Self::Restore(args) => args.json,
            Self::Recover(args) => args.json,
            Self::Doctor(args) => args.json,
        }
    }

    async fn run(self) -> Outcome {
        match self {
            Self::Demo(args) => demo::run(args).await,
            Self::Init(args) => init::run(args).await,
            Self::Serve(args) => serve::run(args).await,
            Self::Keygen(args) => keygen::run(&args),
            Self::Kinds(args) => kinds::run(&args),
            Self::Submit(args) => submit::run(args).await,
            Self::HandIn(args) => blocking(move || hand_in::run(&args)).await,
            Self::Status(args) => blocking(move || status::run(&args)).await,
            Self::Cosign(args) => blocking(move || cosign::run(&args)).await,
            Self::OpenEnvelope(args) => open_envelope::run(&args),
            Self::Read(args) => blocking(move || read::run(&args)).await,
            Self::Draft(args) => draft::run(args).await,
            Self::Review(args) => review::run(args).await,
            Self::Publish(args) => publish::run(args).await,
            Self::Open(args) => blocking(move || open::run(&args)).await,
            Self::Import(args) => import::run(args).await,
            Self::Export(args) => blocking(move || export::run(&args)).await,
            Self::Print(args) => print::run(args).await,
            Self::Proof(args) => blocking(move || proof::run(&args)).await,
            Self::Verify(args) => blocking(move || verify::run(&args)).await,
            Self::Audit(args) => blocking(move || audit::run(&args)).await,
            Self::Witness(args) => witness::run(args).await,
            Self::Mirror(args) => mirror::run(args).await,
            Self::Push(args) => blocking(move || push::run(&args)).await,
            Self::Intake(args) => intake::run(args).await,
            Self::TakeIn(args) => take_in::run(args).await,
            Self::Rebuild(args) => Box::pin(rebuild::run(args)).await,
            Self::Migrate(args) => migrate::run(args).await,
            Self::Join(args) => join::run(&args).await,
            Self::Tally(args) => blocking(move || tally::run(&args)).await,
            Self::Vault(args) => vault::run(args).await,
            Self::RotateKey(args) => Box::pin(rotate_key::run(args)).await,
            Self::Backup(args) => backup::run(args).await,
            Self::Restore(args) => restore::run(args).await,
            Self::Recover(args) => Box::pin(recover::run(args)).await,
            Self::Config(args) => config::run(&args),
            Self::Doctor(args) => doctor::run(args).await,
        }
    }
}

/// Long work that waits for disk, network or processors, off the runtime's threads.
async fn blocking(work: impl FnOnce() -> Outcome + Send + 'static) -> Outcome {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Fault::failed("程序", &error)))
}

/// Runs one command line, the program's name first, and gives its exit code.
pub async fn run(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            terminal::remark(shown(&error));
            return ExitCode::from(outcome::Class::Usage.code());
        }
        Err(error) if error.use_stderr() => return outcome::report(&Err(usage(&error)), false),
        // Help and version, which go to standard output.
        Err(help) => return outcome::report(&terminal::say(shown(&help)).map(|()| outcome::Verdict::Yes), false),
    };
    match Cli::from_arg_matches(&matches) {
        Ok(cli) => {
            let json = cli.command.json();
            outcome::report(&Box::pin(cli.command.run()).await, json)
        }
        Err(error) => outcome::report(&Err(usage(&error)), false),
    }
}

/// A help text, with the one word in Chinese for which clap has no setting.
fn shown(help: &clap::Error) -> String {
    help.render().to_string().trim_end().replace("[OPTIONS]", "[选项]")
}

/// The command line with Chinese headings, also where clap has English ones of its own.
pub fn command() -> clap::Command {
    localized(Cli::command().styles(Styles::plain()))
}

const TEMPLATE: &str = "{about}\n\n用法：{usage}\n\n{all-args}{after-help}\n";

fn localized(command: clap::Command) -> clap::Command {
    let help = Arg::new("help").long("help").short('h').action(ArgAction::Help).help("显示帮助").help_heading("选项");
    let is_root = command.get_name() == "gongkai";
    let command = command
        .help_template(TEMPLATE)
        .subcommand_help_heading("命令")
        .subcommand_value_name("命令")
        .disable_help_flag(true)
        .disable_version_flag(is_root)
        .mut_args(|arg| {
            let heading = if arg.is_positional() { "参数" } else { "选项" };
            arg.help_heading(heading)
        })
        .arg(help)
        .mut_subcommands(localized);
    if is_root {
        let version = Arg::new("version").long("version").short('V').action(ArgAction::Version).help("显示版本");
        return command.arg(version.help_heading("选项"));
    }
    command
}

/// What was typed wrongly, in Chinese.
fn usage(error: &clap::Error) -> Fault {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join("、"),
        _ => String::new(),
    };
    let argument = text(ContextKind::InvalidArg);
    let (place, cause) = match error.kind() {
        ErrorKind::UnknownArgument => (argument, "没有这个选项".to_owned()),
        ErrorKind::InvalidSubcommand => (text(ContextKind::InvalidSubcommand), "没有这个命令".to_owned()),
        ErrorKind::MissingRequiredArgument => (argument, "必须给出".to_owned()),
        ErrorKind::MissingSubcommand => ("命令".to_owned(), "没有写要做什么".to_owned()),
        ErrorKind::ArgumentConflict => (argument, format!("不能与 {} 同用", text(ContextKind::PriorArg))),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let known = text(ContextKind::ValidValue);
            let known = if known.is_empty() { known } else { format!("，可用：{known}") };
            let why = std::error::Error::source(error).map_or(String::new(), |why| format!("：{why}"));
            (argument, format!("「{}」不可用{why}{known}", text(ContextKind::InvalidValue)))
        }
        _ => ("命令行".to_owned(), error.to_string().lines().next().unwrap_or_default().to_owned()),
    };
    let suggested = text(ContextKind::SuggestedArg) + &text(ContextKind::SuggestedSubcommand);
    let remedy = match suggested.as_str() {
        "" => "加 --help 看用法和例子".to_owned(),
        suggested => format!("是不是想写 {suggested}？加 --help 看用法和例子"),
    };
    Fault::usage(place, cause).mend(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a help text's examples that are command lines of ours.
    fn examples(command: &clap::Command) -> Vec<String> {
        let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let text = text.replace("\\\n", " ");
        let lines = text.lines().filter_map(|line| line.trim().strip_prefix("$ "));
        lines.map(|line| line.split(" | ").last().unwrap_or(line).trim().to_owned()).collect()
    }

    #[test]
    fn every_command_has_an_example_and_each_example_parses() {
        for sub in command().get_subcommands() {
            let examples = examples(sub);
            assert!(!examples.is_empty(), "{} has no example", sub.get_name());
            for example in examples {
                let words = example.split_whitespace().take_while(|word| *word != ">");
                let parsed = command().try_get_matches_from(words);
                assert!(parsed.is_ok(), "{example}: {:?}", parsed.err().map(|e| e.to_string()));
            }
        }
    }

    #[test]
    fn every_command_line_of_the_readmes_parses() {
        let readmes = [include_str!("../../../README.md"), include_str!("../../../README.zh-CN.md")];
        let lines = readmes.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with("    gongkai "));
        // An ellipsis stands for an id that the reader fills in.
        let lines = lines.filter(|line| !line.contains('…'));
        let lines: Vec<_> = lines.map(|line| line.split(" #").next().unwrap_or(line)).collect();
        assert!(lines.len() > 20, "{lines:?}");
        for line in lines {
            let parsed = command().try_get_matches_from(line.split_whitespace());
            assert!(parsed.is_ok(), "{line}: {:?}", parsed.err().map(|e| e.to_string()));
        }
    }

    #[test]
    fn what_people_read_in_a_help_is_chinese() {
        for name in command().get_subcommands().map(|sub| sub.get_name().to_owned()) {
            let help = shown(&command().try_get_matches_from(["gongkai", &name, "--help"]).unwrap_err());
            for english in ["Usage", "Options", "OPTIONS", "Arguments", "Print help", "[default", "[possible"] {
                assert!(!help.contains(english), "{name}: {english}\n{help}");
            }
        }
    }

    #[test]
    fn a_mistyped_option_is_named_in_chinese() {
        let fault = usage(&command().try_get_matches_from(["gongkai", "verify", "--vky", "x"]).unwrap_err());
        assert_eq!(fault.class, outcome::Class::Usage);
        assert!(fault.to_string().contains("--vky") && fault.to_string().contains("没有这个选项"), "{fault}");
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }
}
