//! The stories, a file a topic. `UPDATE_EXPECT=1 cargo test` rewrites the transcripts; read the difference.

use expect_test::expect_file;

use super::story::play;

macro_rules! stories {
    ($($(#[doc = $doc:literal])* $name:ident)*) => {
        $(
            $(#[doc = $doc])*
            #[test]
            fn $name() {
                let path = concat!("../testdata/", stringify!($name), ".story");
                play(&expect_file![path], include_str!(concat!("../testdata/", stringify!($name), ".story")));
            }
        )*
    };
}

stories! {
    one_shot_life
}
