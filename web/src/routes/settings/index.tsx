export default function Settings() {
  return <h1 className="pane">Settings</h1>;
}
