/// The style of the report's page: light and dark, on screens and on paper, without anything from elsewhere.
enum ReportStyle {
  static let css = """
    :root{color-scheme:light dark;\(light)}
    @media (prefers-color-scheme:dark){:root{\(dark)}}
    *{box-sizing:border-box}
    body{font:15px/1.5 "Helvetica Neue",Helvetica,Arial,sans-serif;color:var(--ink);background:var(--paper);margin:0}
    main{max-width:1160px;margin:0 auto;padding:28px 24px 48px}
    h1{font-size:26px;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}h2{font-size:18px;margin:32px 0 8px}h3{font-size:15px;margin:20px 0 4px}
    p{margin:6px 0}.lead,.key,figcaption,td small,th small{color:var(--soft)}.key{font-size:13px;max-width:90ch}
    .warning{border-left:4px solid var(--worse);padding:6px 12px;background:var(--field)}
    .scroll{overflow-x:auto}table{border-collapse:collapse;margin:8px 0 12px;font-size:13.5px}
    th,td{padding:5px 12px 5px 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;font-variant-numeric:tabular-nums}
    th{border-bottom:2px solid var(--soft);font-weight:600;vertical-align:bottom}td:last-child,th:last-child{padding-right:0}
    td small,th small{display:block;font-size:11.5px;font-weight:400;white-space:nowrap}th small{font-size:12px}
    .results{font-size:15px}.results td:first-child{min-width:7.5em}.results th{max-width:15em}.results b{font-weight:700}.results tr.baseline td{font-style:italic}
    .results tr.first-baseline td{border-top:2px solid var(--soft)}
    .better{color:var(--better);font-weight:600}.worse{color:var(--worse);font-weight:600}.unresolved{color:var(--soft)}
    ul{padding-left:20px;margin:6px 0}li{margin:3px 0}
    .figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr));gap:18px;align-items:start}
    figure{margin:0;border:1px solid var(--line);border-radius:4px;padding:10px 10px 6px;break-inside:avoid}
    figcaption{font-size:12.5px;margin-top:4px}figcaption a{color:inherit}img{max-width:100%;image-rendering:pixelated}svg{display:block;width:100%;height:auto;max-height:420px}
    .box{border:1px solid var(--line);border-radius:4px;background:var(--field);padding:4px 16px 8px;break-inside:avoid}
    .box table{margin:4px 0}.box th,.box td{border:0;padding:2px 16px 2px 0;vertical-align:top;overflow-wrap:anywhere}.box th{color:var(--soft);white-space:nowrap}
    details{border-top:1px solid var(--line);padding:6px 0}details:last-of-type{border-bottom:1px solid var(--line)}
    summary{cursor:pointer;font-weight:600;padding:4px 0}
    pre{background:var(--field);padding:12px;overflow:auto;font-size:12px;white-space:pre-wrap;overflow-wrap:anywhere}
    @media print{:root{color-scheme:light;\(light)}main{max-width:none;padding:0}body{font-size:10.5pt}.scroll{overflow:visible}
    tr,figure,.box,li{break-inside:avoid}thead{display:table-header-group}h2,h3{break-after:avoid}figcaption a{display:none}
    .figures{grid-template-columns:1fr 1fr}details::details-content{content-visibility:visible;block-size:auto}}
    """

  private static let light =
    "--ink:#1d1d1f;--soft:#5c5c63;--line:#e0e0e4;--paper:#ffffff;--field:#f6f6f8;--better:#00644a;--worse:#a33c00;"
    + colors(Paint.colors)
  private static let dark =
    "--ink:#e8e8ea;--soft:#a0a0a8;--line:#3a3a40;--paper:#17171a;--field:#212126;--better:#4fd1a5;--worse:#ff9d66;"
    + colors(Paint.colorsOnDark)

  private static func colors(_ colors: [String]) -> String {
    colors.enumerated().map { "--c\($0):\($1)" }.joined(separator: ";")
  }
}
