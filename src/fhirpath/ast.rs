//! The syntax tree of the whole N1 grammar. Knows nothing of FHIR types.

/// A literal value, in its source digits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Literal {
    /// `{}`
    Empty,
    Boolean(bool),
    String(String),
    /// `1` or `1.50`
    Number(String),
    /// `@2015-02`, without the `@`
    Date(String),
    /// `@2015-02-04T14:34:28Z`, without the `@`
    DateTime(String),
    /// `@T14:30`, without the `@T`
    Time(String),
    /// `4 days` or `10 'mg'`: digits and unit
    Quantity(String, String),
}

/// `FHIR.Patient`, `System.String`, `Patient`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeSpecifier {
    /// `FHIR` or `System` when written.
    pub namespace: Option<String>,
    /// The type's name.
    pub name: String,
}

/// Operators with two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Binary {
    Multiply,
    Divide,
    Div,
    Mod,
    Add,
    Subtract,
    Concatenate,
    Union,
    LessOrEqual,
    Less,
    Greater,
    GreaterOrEqual,
    Equal,
    Equivalent,
    NotEqual,
    NotEquivalent,
    In,
    Contains,
    And,
    Or,
    Xor,
    Implies,
}

impl Binary {
    /// As written in an expression.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Div => "div",
            Self::Mod => "mod",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Concatenate => "&",
            Self::Union => "|",
            Self::LessOrEqual => "<=",
            Self::Less => "<",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "=",
            Self::Equivalent => "~",
            Self::NotEqual => "!=",
            Self::NotEquivalent => "!~",
            Self::In => "in",
            Self::Contains => "contains",
            Self::And => "and",
            Self::Or => "or",
            Self::Xor => "xor",
            Self::Implies => "implies",
        }
    }
}

/// One expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// A literal.
    Literal(Literal),
    /// `%resource`, `` %`vs-name` ``, `%'name'`
    External(String),
    /// `$this`
    This,
    /// `$index`
    Index,
    /// `$total`
    Total,
    /// `name` (no input: of the focus) or `input.name`
    Member {
        /// Left of the dot.
        input: Option<Box<Expression>>,
        /// The name.
        name: String,
        /// Byte offset of the name.
        position: usize,
    },
    /// `where(…)` or `input.where(…)`
    Call {
        /// Left of the dot.
        input: Option<Box<Expression>>,
        /// The function's name.
        name: String,
        /// Its parameters.
        arguments: Vec<Expression>,
        /// Byte offset of the name.
        position: usize,
    },
    /// `input[index]`
    Indexer(Box<Expression>, Box<Expression>),
    /// `-input`; `+input` when not negative
    Polarity {
        /// Minus.
        negative: bool,
        /// The operand.
        operand: Box<Expression>,
    },
    /// `left op right`
    Binary(Binary, Box<Expression>, Box<Expression>),
    /// `input is Type`
    Is(Box<Expression>, TypeSpecifier),
    /// `input as Type`
    As(Box<Expression>, TypeSpecifier),
}

impl Expression {
    /// The name a path starts with: `Patient` in `(Patient.deceased as dateTime)`.
    #[must_use]
    pub fn leading_name(&self) -> Option<&str> {
        match self {
            Self::Member { input: None, name, .. } => Some(name),
            Self::Member { input: Some(inner), .. }
            | Self::Call { input: Some(inner), .. }
            | Self::Indexer(inner, _)
            | Self::Is(inner, _)
            | Self::As(inner, _)
            | Self::Binary(_, inner, _) => inner.leading_name(),
            _ => None,
        }
    }

    /// The branches of a union, itself when it is none.
    #[must_use]
    pub fn branches(self) -> Vec<Self> {
        match self {
            Self::Binary(Binary::Union, left, right) => {
                let mut all = left.branches();
                all.extend(right.branches());
                all
            }
            other => vec![other],
        }
    }
}
