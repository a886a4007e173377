// swift-tools-version: 6.2
import PackageDescription

/// The tests may be lax about pointers: it is what they call that has to be safe.
let testSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]
let settings = testSettings + [.strictMemorySafety()]

/// The commit for `certctl --version`, which `make release` names in the environment. It is a setting of one target, so
/// that another commit compiles that one anew and nothing else.
let commit = Context.environment["CERTCTL_COMMIT"].map {
    [SwiftSetting.unsafeFlags(["-Xcc", "-DCERTCTL_COMMIT=\"\($0)\""])]
}

let package = Package(
    name: "certctl",
    products: [.executable(name: "certctl", targets: ["certctl"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2", traits: []),
    ],
    targets: [
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(name: "CLinux"),

        .target(name: "Text", swiftSettings: settings),
        .target(name: "PKI", dependencies: ["COpenSSL", "CLinux", "Text"], swiftSettings: settings),
        .target(name: "HTTP", dependencies: ["CCurl", "CLinux"], swiftSettings: settings),
        .target(name: "ACME", dependencies: ["HTTP", "PKI", "Text"], swiftSettings: settings),
        .target(name: "Lineages", dependencies: ["PKI", "CLinux", "Text"], swiftSettings: settings),
        .target(
            name: "Deployment",
            dependencies: ["CLinux", "Text", .product(name: "Subprocess", package: "swift-subprocess")],
            swiftSettings: settings),
        .target(
            name: "Challenges",
            dependencies: ["ACME", "Deployment", "Lineages", "PKI", "CLinux", "Text"],
            // The links lead to hooks/dns/: no other file can be of another version.
            resources: [.embedInCode("Resources")],
            swiftSettings: settings),
        .target(
            name: "Setup",
            dependencies: ["CLinux", "Deployment", "Lineages", "PKI"],
            // The links lead to systemd/ and hooks/: a binary without files beside it can set itself up.
            resources: [.embedInCode("Resources")],
            swiftSettings: settings),
        .target(
            name: "Renewal",
            dependencies: ["ACME", "Challenges", "Deployment", "HTTP", "Lineages", "PKI", "CLinux", "Text"],
            swiftSettings: settings),
        .target(
            name: "Diagnosis",
            dependencies: [
                "ACME", "Challenges", "Deployment", "HTTP", "Lineages", "PKI", "Renewal", "Setup", "CLinux", "Text",
            ],
            // The link leads to docs/doctor.md, of which `explain` prints a section.
            resources: [.embedInCode("Resources")],
            swiftSettings: settings),
        .executableTarget(
            name: "certctl",
            dependencies: [
                "ACME", "Challenges", "Deployment", "Diagnosis", "HTTP", "Lineages", "PKI", "Renewal", "Setup",
                "CLinux", "Text", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: settings + (commit ?? [])),

        .testTarget(
            name: "SetupTests", dependencies: ["Deployment", "Lineages", "Rig", "Setup"],
            swiftSettings: testSettings),
        .testTarget(
            name: "DiagnosisTests",
            dependencies: [
                "Challenges", "Deployment", "Diagnosis", "HTTP", "Lineages", "PKI", "Renewal", "Rig", "Setup",
            ],
            swiftSettings: testSettings),
        .testTarget(
            name: "ChallengesTests", dependencies: ["ACME", "Challenges", "Deployment", "Lineages", "PKI", "Rig"],
            swiftSettings: testSettings),
        .testTarget(name: "DeploymentTests", dependencies: ["Deployment"], swiftSettings: testSettings),
        .target(
            name: "Rig",
            dependencies: [.product(name: "Subprocess", package: "swift-subprocess")],
            path: "Tests/Rig",
            swiftSettings: testSettings),
        .testTarget(
            name: "EndToEndTests", dependencies: ["Lineages", "PKI", "Renewal", "Rig", "certctl"],
            swiftSettings: testSettings),
        .testTarget(name: "HooksTests", dependencies: ["Rig"], swiftSettings: testSettings),
        .testTarget(
            name: "DocsTests", dependencies: ["Diagnosis", "Lineages", "Renewal", "Rig", "certctl"],
            swiftSettings: testSettings),
        .testTarget(
            name: "RenewalTests", dependencies: ["ACME", "Challenges", "HTTP", "Lineages", "PKI", "Renewal", "Rig"],
            swiftSettings: testSettings),
        .testTarget(
            name: "SimulationTests", dependencies: ["ACME", "Deployment", "Lineages", "PKI", "Renewal"],
            swiftSettings: testSettings),
        .testTarget(
            name: "PackageTests", dependencies: ["Lineages", "Renewal", "Rig", "certctl"], swiftSettings: testSettings),
        .testTarget(name: "RigTests", dependencies: ["Rig"], swiftSettings: testSettings),
        .testTarget(name: "SystemdTests", dependencies: ["Rig", "certctl"], swiftSettings: testSettings),
        .testTarget(name: "TextTests", dependencies: ["Text"], swiftSettings: testSettings),
        .testTarget(name: "PKITests", dependencies: ["PKI", "Rig"], swiftSettings: testSettings),
        .testTarget(name: "HTTPTests", dependencies: ["HTTP"], swiftSettings: testSettings),
        .testTarget(
            name: "ACMETests", dependencies: ["ACME", "HTTP", "PKI", "Rig", "Text"], swiftSettings: testSettings),
        .testTarget(name: "LineagesTests", dependencies: ["Lineages", "PKI", "Rig"], swiftSettings: testSettings),
    ]
)
