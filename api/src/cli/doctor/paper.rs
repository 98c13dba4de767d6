//! What `doctor` looks at of printing: whether this machine has a Chinese font.

use super::Doctor;
use crate::paper::font::{self, PACKAGE};

impl Doctor {
    /// Whoever prints elsewhere needs none here, so it is a remark.
    pub(super) async fn font(&mut self) {
        // Looking through the fonts of a machine reads many files.
        let found = tokio::task::spawn_blocking(font::is_there).await;
        self.printing(found.unwrap_or(false));
    }

    fn printing(&mut self, has_font: bool) {
        if !has_font {
            let remedy = format!("请安装 Debian 软件包：apt install {PACKAGE}；在别的机器上印的，不用管");
            self.remark("font", "这台机器没有能用的中文字体，gongkai print 印不出张贴表", remedy);
        }
    }
}

#[cfg(test)]
mod tests {
    use gongkai_store::Layout;

    use super::*;

    #[test]
    fn a_machine_without_a_chinese_font_is_told_which_package_has_one() {
        let mut doctor = Doctor { layout: Layout::new("."), symptoms: Vec::new() };
        doctor.printing(true);
        assert!(doctor.symptoms.is_empty());
        doctor.printing(false);
        let [symptom] = doctor.symptoms.as_slice() else { panic!("{:?}", doctor.symptoms) };
        assert!(symptom.code == "font" && !symptom.wrong && symptom.remedy.contains("fonts-noto-cjk"), "{symptom:?}");
    }
}
