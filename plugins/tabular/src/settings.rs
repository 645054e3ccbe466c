//! Settings in the manifest, before validation. `layout.rs` and `column.rs` convert them for calls.

use hotstage_sdk::Datatype;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::scalar::Scalar;

/// Settings in the manifest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The matrix's columns, in their order. A column of the table may be listed more than once,
    /// with different steps; unlisted columns are ignored.
    pub(crate) columns: Vec<ColumnSettings>,
    /// The names of a row's values, for rows without names: CSV without a header row, JSON arrays,
    /// and the one tensor of `tensors: table`. Default: CSV has a header row, and the others have
    /// the listed columns in their order.
    #[serde(default)]
    pub(crate) header: Option<Vec<String>>,
    /// The delimiter of a CSV row: one ASCII character, such as ";" or a tab.
    #[serde(default = "comma")]
    pub(crate) delimiter: String,
    /// The texts that mean a missing value, in CSV, JSON and BYTES. A NaN and JSON's null always
    /// do.
    #[serde(default = "missing")]
    pub(crate) missing: Vec<String>,
    /// Whether a listed column that is absent from a JSON row is an error or a missing value.
    #[serde(default)]
    pub(crate) absent: Absent,
    /// The form of a request with tensors. CSV and JSON lines bodies are no tensors.
    #[serde(default)]
    pub(crate) tensors: Tensors,
    /// The name of the one input of `tensors: rows` (default `rows`) and `tensors: table` (default
    /// `features`).
    #[serde(default)]
    pub(crate) input: Option<String>,
    /// Name of the output.
    #[serde(default = "features")]
    pub(crate) output: String,
    /// Maximum rows of a request.
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
    /// An error: the key may be misspelt.
    #[default]
    Error,
    /// A missing value.
    Missing,
}

/// The form of a request with tensors.
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

/// A column of the matrix, or the few that one-hot encoding makes. Order of the steps: impute,
/// clip, log, standardise.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColumnSettings {
    /// The column of the table.
    pub(crate) name: String,
    /// The kind of its values. Default: a category if there is `one_hot` or `ordinal`, otherwise a
    /// number.
    #[serde(default)]
    pub(crate) kind: Option<Kind>,
    /// The datatype of the input of this name, with `tensors: columns`. Default: FP64 for numbers
    /// and for numeric categories, BYTES for text categories, BOOL for booleans. BYTES are parsed
    /// like CSV values.
    #[serde(default)]
    pub(crate) datatype: Option<DatatypeName>,
    /// The replacement of a missing value: scikit-learn's `statistics_`. Default: missing values
    /// are refused.
    #[serde(default)]
    pub(crate) impute: Option<Scalar>,
    /// The bounds to which a number is clipped.
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
    /// The index of the value among the categories, from 0.
    #[serde(default)]
    pub(crate) ordinal: Option<Ordinal>,
}

/// The kind of a column's values.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A number.
    Number,
    /// One of the categories of `one_hot` or `ordinal`.
    Category,
    /// True or false, yes or no, 1 or 0: 1 or 0 in the matrix.
    Boolean,
    /// 1 if the value is missing, otherwise 0, for any value.
    Indicator,
}

/// Bounds of a number; at least one.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Clip {
    /// The lower bound.
    #[serde(default)]
    pub(crate) min: Option<f64>,
    /// The upper bound.
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
    /// Subtracted: scikit-learn's `mean_`.
    pub(crate) mean: f64,
    /// The divisor, more than 0: scikit-learn's `scale_`.
    pub(crate) std: f64,
}

/// A column for each category.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OneHot {
    /// All texts or all numbers, in training's order: scikit-learn's `categories_`. A null among
    /// them stands for a missing value; without one, and without `impute`, a missing value is an
    /// unknown category.
    pub(crate) categories: Vec<Option<Scalar>>,
    /// The handling of an unknown category.
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
    /// Refused.
    #[default]
    Error,
    /// 0 in all columns.
    Ignore,
    /// 1 in an additional last column.
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

/// The index among the categories.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ordinal {
    /// All texts or all numbers, in their order: scikit-learn's `categories_`.
    pub(crate) categories: Vec<Scalar>,
    /// The number of an unknown category: scikit-learn's `unknown_value`. Default: unknown
    /// categories are refused.
    #[serde(default)]
    pub(crate) unknown: Option<f64>,
    /// The number of a missing value: scikit-learn's `encoded_missing_value`. Default: a missing
    /// value is imputed or counts as unknown.
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
