export default function System() {
  return <h1 className="pane">System</h1>;
}
