export default function Overview() {
  return <h1 className="pane">Overview</h1>;
}
