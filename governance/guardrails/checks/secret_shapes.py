"""The shapes of keys and tokens that services publish, so that scanners can know them. Data."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """A published shape: its rule's name, what must stand in the text for it to be worth looking, its pattern.

    Where the pattern has a group, the group is the secret. `entropy` in bits per character is what the secret
    must have at least; placeholders have less.
    """

    rule: str
    literals: tuple[str, ...]
    pattern: str
    entropy: float = 2.5
    score: float = 0.95


SHAPES = (
    # Clouds
    Shape("aws-access-key-id", ("AKIA", "ASIA", "ABIA", "ACCA", "AROA", "AIDA", "A3T"),
          r"\b((?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[A-Z2-7Z]{16})\b", 0.5),
    Shape("aws-bedrock-key", ("ABSK", "bedrock-api-key-"), r"\b(ABSK[A-Za-z0-9+/]{109,269}={0,2})(?:[^A-Za-z0-9+/=]|$)", 2.0),
    Shape("google-api-key", ("AIza",), r"\b(AIza[\w-]{35})(?:[^\w-]|$)", 4.0, 0.4),
    Shape("google-oauth-token", ("ya29.",), r"\b(ya29\.[\w-]{20,})"),
    Shape("google-oauth-secret", ("GOCSPX-",), r"\b(GOCSPX-[\w-]{28})"),
    Shape("azure-account-key", ("AccountKey", "SharedAccessKey"), r"(?:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{43,88}={0,2})"),
    Shape("azure-ad-secret", ("Q~",), r"\b([\w~.-]{3}\dQ~[\w~.-]{31,34})", 3.0),
    Shape("azure-sas", ("sig=",), r"[?&]sig=([A-Za-z0-9%+/]{40,}(?:%3D|=)?)", 3.0),
    Shape("digitalocean-token", ("doo_v1_", "dop_v1_", "dor_v1_"), r"\b(do[opr]_v1_[a-f0-9]{64})\b"),
    Shape("alibaba-key-id", ("LTAI",), r"\b(LTAI[A-Za-z0-9]{17,20})\b", 3.0),
    Shape("cloudflare-origin-key", ("v1.0-",), r"\b(v1\.0-[a-f0-9]{24}-[a-f0-9]{146})\b"),
    Shape("heroku-key", ("HRKU-",), r"\b(HRKU-[\w-]{36,})"),
    Shape("flyio-token", ("FlyV1 ", "fo1_", "fm2_"), r"\b(fo1_[\w-]{43}|fm[12][ar]?_[A-Za-z0-9+/]{80,}={0,3})"),
    Shape("vault-token", ("hvs.", "hvb.", "hvr."), r"\b(hv[sbr]\.[\w-]{24,})"),
    Shape("terraform-token", (".atlasv1.",), r"\b([A-Za-z0-9]{14}\.atlasv1\.[\w=-]{60,70})"),
    Shape("databricks-token", ("dapi",), r"\b(dapi[a-f0-9]{32}(?:-\d)?)\b"),
    Shape("doppler-token", ("dp.pt.", "dp.st."), r"\b(dp\.(?:pt|st|ct|sa|scim|audit)\.[\w.-]{40,})"),
    Shape("pulumi-token", ("pul-",), r"\b(pul-[a-f0-9]{40})\b"),
    # Code and packages
    Shape("github-token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"\b(gh[pousr]_[A-Za-z0-9]{36,251})\b", 3.0),
    Shape("github-fine-grained", ("github_pat_",), r"\b(github_pat_\w{22,255})\b", 3.0),
    Shape("gitlab-token", ("glpat-", "gldt-", "glrt-", "glft-", "glsoat-", "glptt-", "glcbt-", "glimt-", "glagent-", "gloas-", "glffct-"),
          r"\b(gl(?:pat|dt|rt|ft|soat|ptt|cbt|imt|oas|ffct)-(?:t\d_)?[\w.-]{20,}|glagent-[\w-]{50,})", 3.2),
    Shape("gitlab-runner-token", ("GR1348941",), r"\b(GR1348941[\w-]{20,})", 3.0),
    Shape("npm-token", ("npm_",), r"\b(npm_[A-Za-z0-9]{36})\b"),
    Shape("npm-auth", ("_authToken",), r"//[\w.:-]+/[\w./-]*:_authToken\s*=\s*((?:npm_)?[\w-]{20,})"),
    Shape("pypi-token", ("pypi-AgE",), r"\b(pypi-AgE[\w-]{82,})"),
    Shape("rubygems-token", ("rubygems_",), r"\b(rubygems_[a-f0-9]{48})\b"),
    Shape("crates-token", ("cio",), r"\b(cio[A-Za-z0-9]{32})\b", 3.5),
    Shape("docker-token", ("dckr_pat_", "dckr_oat_"), r"\b(dckr_[po]at_[\w-]{27,})"),
    Shape("artifactory-key", ("AKCp",), r"\b(AKCp[A-Za-z0-9]{69})\b", 3.0),
    Shape("artifactory-token", ("AKC",), r"""(?:^|[\s=:"'])(AKC[A-Za-z0-9]{10,})(?:[\s"']|$)""", 1.0, 0.8),
    Shape("artifactory-password", ("AP",), r"""(?:^|[\s=:"'])(AP[0-9A-F][A-Za-z0-9]{8,})(?:[\s"']|$)""", 1.0, 0.7),
    Shape("artifactory-reference", ("cmVmd",), r"\b(cmVmd[A-Za-z0-9]{59})\b", 3.0),
    Shape("sourcegraph-token", ("sgp_",), r"\b(sgp_(?:local_|[a-fA-F0-9]{16}_)?[a-fA-F0-9]{40})\b", 3.0),
    Shape("sonar-token", ("sqp_", "squ_", "sqa_"), r"\b(sq[pua]_[a-f0-9]{40})\b"),
    Shape("postman-key", ("PMAK-",), r"\b(PMAK-[a-f0-9]{24}-[a-f0-9]{34})\b"),
    Shape("atlassian-token", ("ATATT3", "ATCTT3"), r"\b(AT[AC]TT3[\w=-]{60,})"),
    Shape("bitbucket-password", ("ATBB",), r"\b(ATBB[A-Za-z0-9]{32})\b", 3.0),
    # Models
    Shape("openai-key", ("T3BlbkFJ",), r"\b(sk-(?:[\w-]{0,120})T3BlbkFJ[\w-]{20,100})"),
    Shape("openai-project-key", ("sk-proj-", "sk-svcacct-", "sk-admin-"), r"\b(sk-(?:proj|svcacct|admin)-[\w-]{80,200})", 3.5),
    Shape("anthropic-key", ("sk-ant-",), r"\b(sk-ant-[\w-]{24,200})"),
    Shape("huggingface-token", ("hf_", "api_org_"), r"\b((?:hf_|api_org_)[A-Za-z]{34})\b", 3.5),
    Shape("perplexity-key", ("pplx-",), r"\b(pplx-[A-Za-z0-9]{48})\b"),
    Shape("groq-key", ("gsk_",), r"\b(gsk_[A-Za-z0-9]{48,56})\b"),
    Shape("replicate-token", ("r8_",), r"\b(r8_[A-Za-z0-9]{37})\b"),
    Shape("openrouter-key", ("sk-or-",), r"\b(sk-or-v\d-[a-f0-9]{64})\b"),
    Shape("langsmith-key", ("lsv2_",), r"\b(lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10})\b"),
    # Messages and people
    Shape("slack-token", ("xox",), r"\b(xox[abposre](?:\.xox[pb])?-(?:\d+-)?[\w-]{10,250})"),
    Shape("slack-app-token", ("xapp-",), r"\b(xapp-\d-[A-Z0-9]+-\d+-[a-z0-9]+)"),
    Shape("slack-webhook", ("hooks.slack.com",), r"(https://hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{24,80})", 0.0),
    Shape("discord-token", (".",), r"(?:^|[^\w-])([MNO][\w-]{23,25}\.[\w-]{6}\.[\w-]{27,38})(?:[^\w-]|$)", 3.5),
    Shape("discord-webhook", ("/api/webhooks/",), r"(https://(?:\w+\.)?discord(?:app)?\.com/api/webhooks/\d+/[\w-]{40,})"),
    Shape("teams-webhook", ("webhook.office.com",), r"(https://[\w.-]+\.webhook\.office\.com/webhookb2/[\w@/-]{60,})"),
    Shape("telegram-token", (":AA",), r"(?:^|[^\w]|/bot)(\d{8,10}:AA[\w-]{33})(?:[^\w-]|$)", 3.5),
    Shape("twilio-key", ("SK", "AC"), r"\b((?:SK|AC)[a-f0-9]{32})\b", 3.0, 0.8),
    Shape("sendgrid-key", ("SG.",), r"\b(SG\.[\w-]{22}\.[\w-]{43})"),
    Shape("mailgun-key", ("key-",), r"\b(key-[a-f0-9]{32})\b", 3.0),
    Shape("mailchimp-key", ("-us",), r"\b([a-f0-9]{32}-us\d{1,2})\b", 3.0),
    Shape("notion-token", ("ntn_",), r"\b(ntn_\d{11}[A-Za-z0-9]{35})\b", 4.0),
    Shape("notion-secret", ("secret_",), r"\b(secret_[A-Za-z0-9]{43})\b", 4.0),
    Shape("linear-key", ("lin_api_",), r"\b(lin_api_[A-Za-z0-9]{40})\b"),
    Shape("figma-token", ("figd_",), r"\b(figd_[\w-]{40,})"),
    Shape("airtable-token", ("pat",), r"\b(pat[A-Za-z0-9]{14}\.[a-f0-9]{64})\b"),
    Shape("typeform-token", ("tfp_",), r"\b(tfp_[\w.=-]{50,60})"),
    Shape("intra42-secret", ("s-s4t2",), r"\b(s-s4t2(?:ud|af)-[a-f0-9]{64})\b"),
    # Money
    Shape("stripe-key", ("_live_", "_test_", "_prod_"), r"\b([srp]k_(?:live|test|prod)_[A-Za-z0-9]{10,247})\b", 3.0),
    Shape("stripe-webhook-secret", ("whsec_",), r"\b(whsec_[A-Za-z0-9+/=]{32,})", 3.0),
    Shape("square-token", ("sq0", "EAAA"), r"\b(sq0(?:atp|csp|idp)-[\w-]{22,60}|EAAA[\w-]{60})", 2.5),
    Shape("shopify-token", ("shp",), r"\b(shp(?:at|ca|pa|ss|tka)_[a-fA-F0-9]{32})\b"),
    Shape("paypal-token", ("access_token$",), r"\b(access_token\$(?:production|sandbox)\$[a-z0-9]{16}\$[a-f0-9]{32})\b"),
    Shape("plaid-token", ("access-",), r"\b(access-(?:sandbox|development|production)-[a-f0-9]{8}-[a-f0-9-]{27})\b"),
    Shape("easypost-token", ("EZAK", "EZTK"), r"\b(EZ[AT]K[A-Za-z0-9]{54})\b", 3.0),
    Shape("flutterwave-key", ("FLW",), r"\b(FLW(?:PUBK|SECK)(?:_TEST)?-[a-h0-9]{12,32}(?:-X)?)"),
    # Running things
    Shape("grafana-token", ("glc_", "glsa_", "eyJrIjoi"), r"\b(glc_[A-Za-z0-9+/]{32,400}={0,3}|glsa_[A-Za-z0-9]{32}_[a-fA-F0-9]{8}|eyJrIjoi[A-Za-z0-9]{70,400}={0,3})"),
    Shape("newrelic-key", ("NRAK-", "NRJS-", "NRII-"), r"\b(NR(?:AK|JS|II)-[\w-]{19,32})"),
    Shape("dynatrace-token", ("dt0c01.",), r"\b(dt0c01\.[A-Z0-9]{24}\.[A-Z0-9]{64})\b"),
    Shape("sentry-token", ("sntrys_", "sntryu_"), r"\b(sntry[su]_[\w+/=]{60,})"),
    Shape("planetscale-token", ("pscale_",), r"\b(pscale_(?:tkn|pw|oauth)_[\w=.-]{32,64})"),
    Shape("prefect-key", ("pnu_",), r"\b(pnu_[a-zA-Z0-9]{36})\b"),
    Shape("readme-key", ("rdme_",), r"\b(rdme_[a-z0-9]{70})\b"),
    Shape("shippo-token", ("shippo_",), r"\b(shippo_(?:live|test)_[a-fA-F0-9]{40})\b"),
    Shape("duffel-token", ("duffel_",), r"\b(duffel_(?:test|live)_[\w=-]{43})"),
    Shape("frameio-token", ("fio-u-",), r"\b(fio-u-[\w=-]{64})"),
    Shape("onepassword-key", ("A3-",), r"\b(A3-[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5})\b", 3.0),
    Shape("onepassword-service", ("ops_eyJ",), r"\b(ops_eyJ[A-Za-z0-9+/]{250,}={0,3})"),
    Shape("age-key", ("AGE-SECRET-KEY-1",), r"\b(AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58})\b"),
    Shape("countersign-key", ("csk_",), r"\b(csk_\w{24,})"),
    # Any service
    Shape("jwt", ("eyJ", "ZXlK"), r"\b(eyJ[\w-]{10,}\.eyJ[\w-]{4,}(?:\.[\w-]*)?|ZXlK[A-Za-z0-9+/]{40,}={0,2})", 3.0),
    Shape("url-password", ("://",), r"\b[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s:/@\"'<>{}]{1,80}:([^\s:/@\"'<>{}]{3,100})@[\w.-]", 1.0, 0.9),
    Shape("authorization-header", ("Basic ", "basic "), r"[Aa]uthorization[\"']?\s*[:=]\s*[\"']?[Bb]asic\s+([A-Za-z0-9+/]{12,}={0,2})", 2.5, 0.9),
    Shape("bearer", ("earer ",), r"[Bb]earer\s+([\w.~+/-]{20,}={0,2})", 3.5, 0.85),
)  # fmt: skip
