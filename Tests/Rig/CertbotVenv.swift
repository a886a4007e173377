import Glibc
package import Testing

/// The virtual environment with a current certbot and its DNS plugins, which `Tests/install docker` makes.
package enum CertbotVenv {
    package static var path: String {
        let cache = environmentVariable("XDG_CACHE_HOME") ?? "\(environmentVariable("HOME") ?? "/root")/.cache"
        return "\(cache)/certctl-tests/certbot"
    }

    static var isThere: Bool { access("\(path)/bin/certbot", X_OK) == 0 }
}

extension Trait where Self == ConditionTrait {
    /// Skips the test or the suite where there is no such environment; under `CI=true` it runs, and fails.
    package static var certbotVenv: Self {
        .enabled(
            if: CertbotVenv.isThere || Parts.mustBeThere, "no \(CertbotVenv.path): run Tests/install docker")
    }
}
