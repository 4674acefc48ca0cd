export default function Trace() {
  return <h1 className="pane">Trace</h1>;
}
