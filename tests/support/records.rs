//! Data files of catalogs as large as one likes, with the columns that are usual.

use std::fmt::Write;

/// The id of a record.
pub fn id(number: u32) -> String {
    format!("brand{:02}/sku_{number:07}_main", number % 37)
}

/// A data file of `count` records, ASCII, some 190 bytes each.
pub fn image_table(count: u32) -> String {
    let mut text = String::with_capacity(200 * count as usize);
    text += "Id\tPath\tModifier\tUserData\tTimeStamp\tExpiration\r\n";
    for number in 0..count {
        let shelf = number % 997;
        let modifier =
            if number % 4 == 0 { "op_usm=0.9,1.0,8,0&resMode=sharp2&qlt=88" } else { "" };
        let expiration = if number % 9 == 0 { "24" } else { "" };
        writeln!(
            text,
            "{}\tbrand{:02}/2024/{shelf:03}/sku_{number:07}_main.tif\t{modifier}\t\
             title=Sample article {number}??color=c{shelf}??width=2400??height=3200??season=SS24\t\
             {}\t{expiration}\r",
            id(number),
            number % 37,
            1_700_000_000_000_u64 + u64::from(number) * 61_000,
        )
        .expect("a string takes all");
    }
    text
}
