//! Whom AWS clients log in as, if not as the SDK's default chain says.

/// A profile and a role; without either, the default chain decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsLogin {
    pub profile: Option<String>,
    /// The ARN of a role to assume with the profile's credentials.
    pub role: Option<String>,
    /// Variables of the kubeconfig's user that would choose other credentials, and are not used.
    pub unused: Vec<&'static str>,
}

impl AwsLogin {
    pub const fn is_default(&self) -> bool {
        self.profile.is_none() && self.role.is_none()
    }
}
