//! What the manifest may set, as it is typed. `layout.rs` and `column.rs` make of it what calls
//! use.

use hotstage_sdk::Datatype;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::scalar::Scalar;

/// What the manifest may set.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The matrix's columns, in their order. A column of the table may be listed more than once, to
    /// be used in several ways; one that is not listed is ignored.
    pub(crate) columns: Vec<ColumnSettings>,
    /// The names of a row's values, where rows do not have them: of CSV without a header row, of
    /// JSON rows that are arrays, of the one tensor of `tensors: table`. Unless set, CSV has a
    /// header row, and the others have the listed columns in their order.
    #[serde(default)]
    pub(crate) header: Option<Vec<String>>,
    /// What stands between the values of a CSV row: one ASCII character, such as ";" or a tab.
    #[serde(default = "comma")]
    pub(crate) delimiter: String,
    /// The texts that stand for a missing value, in CSV, JSON and BYTES. A NaN and JSON's null
    /// always do.
    #[serde(default = "missing")]
    pub(crate) missing: Vec<String>,
    /// Whether a JSON row without a listed column is an error or has a missing value there.
    #[serde(default)]
    pub(crate) absent: Absent,
    /// What a request of tensors holds, as bodies of CSV and JSON lines are no tensors.
    #[serde(default)]
    pub(crate) tensors: Tensors,
    /// The name of the one input of `tensors: rows` (`rows` unless set) and `tensors: table`
    /// (`features` unless set).
    #[serde(default)]
    pub(crate) input: Option<String>,
    /// The name of the output.
    #[serde(default = "features")]
    pub(crate) output: String,
    /// Most rows of a request.
    #[serde(default = "rows_max")]
    pub(crate) rows_max: usize,
}

fn comma() -> String {
    ",".to_owned()
}

fn missing() -> Vec<String> {
    [
        "", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None", "<NA>",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn features() -> String {
    "features".to_owned()
}

const fn rows_max() -> usize {
    100_000
}

/// A JSON row without a listed column.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Absent {
    /// Is refused: the key may be misspelt.
    #[default]
    Error,
    /// Has a missing value there.
    Missing,
}

/// What a request of tensors holds.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tensors {
    /// One input for each column of the table, by its name, of shape [-1].
    #[default]
    Columns,
    /// One BYTES input of shape [-1]: each element is a row in JSON, an object or an array.
    Rows,
    /// One FP32 input of shape [-1, columns].
    Table,
}

/// A column of the matrix, or the few that one-hot encoding makes. Steps come in this order:
/// impute, clip, log, standardise.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColumnSettings {
    /// The column of the table.
    pub(crate) name: String,
    /// What its values are. Unless set: a category if there is `one_hot` or `ordinal`, otherwise a
    /// number.
    #[serde(default)]
    pub(crate) kind: Option<Kind>,
    /// The datatype of the input of this name, with `tensors: columns`. Unless set: FP64 for
    /// numbers and for categories that are numbers, BYTES for those that are texts, BOOL for
    /// booleans. BYTES are read as CSV is.
    #[serde(default)]
    pub(crate) datatype: Option<DatatypeName>,
    /// What a missing value is taken for: scikit-learn's `statistics_`. Unless set, one is refused.
    #[serde(default)]
    pub(crate) impute: Option<Scalar>,
    /// Between which numbers a number is moved.
    #[serde(default)]
    pub(crate) clip: Option<Clip>,
    /// A logarithm of the number.
    #[serde(default)]
    pub(crate) log: Option<Log>,
    /// (x - mean) / std.
    #[serde(default, alias = "standardize")]
    pub(crate) standardise: Option<Standardise>,
    /// A column for each category: 1 in the value's own, 0 in the others.
    #[serde(default)]
    pub(crate) one_hot: Option<OneHot>,
    /// The place of the value among the categories, from 0 on.
    #[serde(default)]
    pub(crate) ordinal: Option<Ordinal>,
}

/// What a column's values are.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A number.
    Number,
    /// One of the categories of `one_hot` or `ordinal`.
    Category,
    /// True or false, yes or no, 1 or 0: 1 or 0 in the matrix.
    Boolean,
    /// 1 if the value is missing, otherwise 0; whatever the value is.
    Indicator,
}

/// Bounds of a number; at least one.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Clip {
    /// What a smaller number becomes.
    #[serde(default)]
    pub(crate) min: Option<f64>,
    /// What a larger number becomes.
    #[serde(default)]
    pub(crate) max: Option<f64>,
}

/// A logarithm.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Log {
    /// The natural logarithm.
    Log,
    /// The natural logarithm of the number plus 1.
    Log1p,
}

/// (x - mean) / std.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Standardise {
    /// What is subtracted: scikit-learn's `mean_`.
    pub(crate) mean: f64,
    /// What is then divided by, more than 0: scikit-learn's `scale_`.
    pub(crate) std: f64,
}

/// A column for each category.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OneHot {
    /// All texts or all numbers, in training's order: scikit-learn's `categories_`. A null among
    /// them stands for a missing value; without one, and without `impute`, a missing value is an
    /// unknown one.
    pub(crate) categories: Vec<Option<Scalar>>,
    /// What happens to a value that is not among them.
    #[serde(default)]
    pub(crate) unknown: Unknown,
    /// When the first category has no column.
    #[serde(default)]
    pub(crate) drop: Option<DropFirst>,
}

/// A value that is not among the categories.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unknown {
    /// Is refused.
    #[default]
    Error,
    /// Is 0 in all columns.
    Ignore,
    /// Is 1 in one more column, the last.
    Other,
}

/// When the first category has no column.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DropFirst {
    /// Always.
    First,
    /// If there are two categories.
    IfBinary,
}

/// The place among the categories.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ordinal {
    /// All texts or all numbers, in their order: scikit-learn's `categories_`.
    pub(crate) categories: Vec<Scalar>,
    /// The number of a value that is not among them: scikit-learn's `unknown_value`. Unless set,
    /// one is refused.
    #[serde(default)]
    pub(crate) unknown: Option<f64>,
    /// The number of a missing value: scikit-learn's `encoded_missing_value`. Unless set, one is
    /// imputed or taken for an unknown one.
    #[serde(default)]
    pub(crate) missing: Option<f64>,
}

/// A datatype, by the protocol's name.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum DatatypeName {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Fp16,
    Bf16,
    Fp32,
    Fp64,
    Bytes,
}

impl DatatypeName {
    pub(crate) const fn datatype(self) -> Datatype {
        match self {
            Self::Bool => Datatype::Bool,
            Self::Uint8 => Datatype::Uint8,
            Self::Uint16 => Datatype::Uint16,
            Self::Uint32 => Datatype::Uint32,
            Self::Uint64 => Datatype::Uint64,
            Self::Int8 => Datatype::Int8,
            Self::Int16 => Datatype::Int16,
            Self::Int32 => Datatype::Int32,
            Self::Int64 => Datatype::Int64,
            Self::Fp16 => Datatype::Fp16,
            Self::Bf16 => Datatype::Bf16,
            Self::Fp32 => Datatype::Fp32,
            Self::Fp64 => Datatype::Fp64,
            Self::Bytes => Datatype::Bytes,
        }
    }
}
