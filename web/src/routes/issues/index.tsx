export default function Issues() {
  return <h1 className="pane">Issues</h1>;
}
