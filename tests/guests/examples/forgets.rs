//! Answers without its output, whatever it is asked: the mistake that a check without golden tests
//! must not miss.

hotstage_guests::model!(|_inputs, _outputs| Ok(()));
