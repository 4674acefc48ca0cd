export default function IssueDetail() {
  return <h1 className="pane">Issue</h1>;
}
